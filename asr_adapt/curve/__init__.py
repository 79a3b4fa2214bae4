"""The learning curve: what more labels would bring, measured on parts of those there are."""
