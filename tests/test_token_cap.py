"""The cap on tokens: what people say fits, in any language; a loop does not go on for long."""

from __future__ import annotations

import pytest

from asr_adapt.base_weights.weights import PACKAGES, package_files, resolve_weights
from asr_adapt.token_cap import OTHER, SPARE, in_words, token_cap
from asr_adapt.window import MAX_SPEECH_S

# The same sentence, written for this test: the vessel is at anchor two miles north of the harbour
# entrance and waits for a pilot.
SENTENCES = {
    "en": "The vessel is at anchor two miles north of the harbour entrance and waits for a pilot",
    "de": "Das Schiff ankert zwei Meilen nördlich der Hafeneinfahrt und wartet auf einen Lotsen",
    "cs": "Loď kotví dvě námořní míle severně od vjezdu do přístavu a čeká na lodivoda",
    "ru": "Судно стоит на якоре в двух милях к северу от входа в гавань и ждёт лоцмана",
    "el": "Το πλοίο είναι αγκυροβολημένο δύο μίλια βόρεια της εισόδου και περιμένει πλοηγό",  # noqa: RUF001 - Greek
    "hi": "जहाज बंदरगाह के प्रवेश द्वार से दो मील उत्तर में लंगर डाले हुए है और पायलट की प्रतीक्षा कर रहा है",
    "ta": "கப்பல் துறைமுக நுழைவாயிலுக்கு வடக்கே இரண்டு மைல் தொலைவில் நங்கூரமிட்டு காத்திருக்கிறது",
    "ka": "გემი ღუზაზე დგას ნავსადგურის შესასვლელიდან ორი მილის ჩრდილოეთით და ელოდება ლოცმანს",
    "ja": "船は港の入り口から北へ二マイルの地点に錨を下ろしてパイロットを待っています",
}
FAST = 18
"""Characters a second of a fast talker; 7 of Japanese, which needs fewer."""


@pytest.mark.weights
@pytest.mark.parametrize("language", SENTENCES)
def test_fast_speech_of_any_language_fits(language: str) -> None:
    from transformers import WhisperTokenizer

    if package_files(PACKAGES["whisper-base"]) is None:
        pytest.skip("whisper-base is not installed")
    tokenizer = WhisperTokenizer.from_pretrained(resolve_weights("whisper-base").folder)
    text = SENTENCES[language]
    tokens = len(tokenizer(text, add_special_tokens=False).input_ids)
    spoken_s = len(text) / (7 if language == "ja" else FAST)
    assert tokens <= token_cap(spoken_s, language)


def test_a_second_more_is_never_fewer_tokens_and_a_language_is_told_apart() -> None:
    for language in SENTENCES:
        caps = [token_cap(float(s), language) for s in range(1, int(MAX_SPEECH_S) + 1)]
        assert caps == sorted(caps)
        assert caps[-1] + 4 <= 448  # with start, language, task and no timestamps: all there is
        assert token_cap(5.0, language) >= token_cap(5.0, "en")
    assert in_words(["en"]) == "10 tokens a second of audio and 10 more"
    assert (
        in_words(["en", "fr", "de"]) == f"10 or {OTHER} tokens a second of audio and {SPARE} more"
    )
