"""From what utterances are told to the plan by which the decoder decodes them.

Floor 4: knows the model, whose tokens and device the boosting of phrases needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asr_adapt.context.boosting import BoostPlan, plan_boost
from asr_adapt.context.phrase_tree import TokenRules
from asr_adapt.context.telling import Teller, Told, tell_all
from asr_adapt.decode import ArmPlan
from asr_adapt.model import SpeechModel
from asr_adapt.records import Utterance
from asr_adapt.settings import BoostSettings


def telling_plan(
    arm: str, utterances: Sequence[Utterance], model: SpeechModel, teller: Teller
) -> ArmPlan:
    """Return the plan of an arm that is told something; where the teller listens, it does so first.

    Args:
        arm: its name.
        utterances: all that are decoded by the plan.
        model: the weights that decode.
        teller: says what each utterance is told.
    """

    def plan(heard_of: Sequence[Utterance], heard: Sequence[str]) -> ArmPlan:
        ids = [u.utterance_id for u in heard_of]
        told = tell_all(heard_of, teller, dict(zip(ids, heard, strict=True)))
        return told_plan(arm, told, model, teller)

    if teller.listens:
        return ArmPlan(arm, listen=plan)
    return plan(utterances, [""] * len(utterances))


def told_plan(arm: str, told: Mapping[str, Told], model: SpeechModel, teller: Teller) -> ArmPlan:
    """Return the plan of an arm by what each utterance is told, by its id."""
    common = teller.shared if teller.bias.boosts_all else ()
    boosted = {uid: each.boosted for uid, each in told.items()}
    return ArmPlan(
        arm,
        prompts={uid: each.prompt for uid, each in told.items()},
        boost=phrase_boost(model, common, boosted, teller.bias.boost),
        believes=lambda uid, first, text: teller.believes(told[uid], first, text),
    )


def phrase_boost(
    model: SpeechModel,
    shared: Sequence[str],
    own: Mapping[str, Sequence[str]],
    settings: BoostSettings,
) -> BoostPlan | None:
    """Plan the boosting of phrases for a model; None where there is nothing to boost.

    Args:
        model: whose tokens and device are used.
        shared: phrases that may be said in any utterance.
        own: further phrases of each utterance, by id.
        settings: size of the bonus.

    Raises:
        BiasError: a phrase holds a control token.
    """
    if not settings.bonus or not (shared or any(own.values())):
        return None
    vocabulary = model.whisper.config.vocab_size
    return plan_boost(shared, own, token_rules(model), settings, vocabulary, model.device)


def token_rules(model: SpeechModel) -> TokenRules:
    """Return what a phrase tree must know of a model's tokenizer."""
    backend = model.tokenizer.backend_tokenizer
    ids = model.tokenizer.convert_tokens_to_ids

    def tokenize_all(texts: Sequence[str]) -> list[list[int]]:
        return [
            each.ids for each in backend.encode_batch_fast(list(texts), add_special_tokens=False)
        ]

    return TokenRules(
        tokenize_all=tokenize_all,
        text_start=ids("<|notimestamps|>"),
        first_control=ids("<|endoftext|>"),
        space=tokenize_all([" "])[0][0],
    )
