"""Everything a user can set about training, prompting and decoding, with its default and limits.

Plain frozen dataclasses: the command line, recipe files and Python callers fill in the same ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from asr_adapt.errors import UsageError
from asr_adapt.window import MAX_FRAMES, Window

MAX_PROMPT_TOKENS = 223
"""Whisper's decoder has 448 positions and gives at most 448 // 2 - 1 to the prompt
(https://github.com/openai/whisper/blob/main/whisper/decoding.py)."""

MAX_SEED = 2**32 - 1
"""The largest seed numpy's global generator takes, which the Trainer sets
(https://numpy.org/doc/stable/reference/random/generated/numpy.random.seed.html)."""

BIAS_MODES = ("prompt", "boost", "both", "retrieve")
"""How arms with ``+bias`` are told their phrases: in the prompt, as boosted phrases, both ways, or
both ways with those that a first pass found likely."""

PROMPT_STRATEGIES = ("glossary", "sentence", "few-shot", "per-utterance")
"""How phrases become a prompt (`asr_adapt.context.strategies`)."""

PHRASE_ORDERS = ("given", "reversed", "alphabetical")
"""How the phrases of a prompt stand in it; which of them fit is settled before, by priority."""

CHANNELS = ("none", "vhf", "nbfm", "am", "digital", "telephone")
METHODS = ("lora", "full")
TRACKER_EXTRAS = {"tensorboard": "report-to", "wandb": "wandb", "mlflow": "mlflow"}
"""Experiment trackers, by the names of their packages, and the extras that install them."""
REPORTERS = ("none", *TRACKER_EXTRAS)
EXPORT_PRECISIONS = {
    "hf": ("float32", "float16"),
    "ct2": ("float16", "float32", "int8"),
    "ggml": ("float16",),  # on float32 whisper.cpp (in pywhispercpp 1.5.1) aborts
}
"""Formats an adapted model is exported to and the precisions of their weights, the usual first:
transformers, CTranslate2 (faster-whisper), whisper.cpp."""
DEFAULT_LEARNING_RATES = {"lora": 1e-3, "full": 2e-5}
"""On 44 minutes of one trade the adapter's brings a third fewer errors than half of it would."""
MOST_LIKELY = 32
"""So many of the base model's likeliest tokens are kept at each place of a replayed text."""
VARIANTS = ("lora", "rslora", "dora")
PARTS = ("encoder", "decoder")
ALL_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise UsageError(message)


def check_seed(seed: int) -> None:
    """Refuse a seed that is none, before work begins.

    Raises:
        UsageError: it is not between 0 and `MAX_SEED`.
    """
    _require(0 <= seed <= MAX_SEED, f"seed {seed}: is not between 0 and {MAX_SEED}")


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """How phrases become a prompt.

    Attributes:
        template: the prompt's text; ``{phrases}`` stands for the phrases, joined by commas.
        budget_tokens: longest prompt; what does not fit is dropped and recorded.
    """

    template: str = "{phrases}."
    budget_tokens: int = MAX_PROMPT_TOKENS

    def __post_init__(self) -> None:
        _require(
            1 <= self.budget_tokens <= MAX_PROMPT_TOKENS,
            f"prompt budget_tokens {self.budget_tokens}: Whisper takes 1 to {MAX_PROMPT_TOKENS}",
        )
        _require(
            "{phrases}" in self.template,
            f"prompt template {self.template!r} does not say where {{phrases}} go",
        )
        others = set(re.findall(r"\{\w*\}", self.template)) - {"{phrases}"}
        _require(
            not others,
            f"prompt template {self.template!r}: nothing stands for {', '.join(sorted(others))}",
        )


@dataclass(frozen=True, slots=True)
class BoostSettings:
    """How much decoding favours tokens that spell a listed phrase (`asr_adapt.context.boosting`).

    Attributes:
        bonus: what a phrase's first token is worth, in nats, if it is the rarest there is; 0
            switches boosting off.
        depth_scale: what each later token is worth, in bonuses, before ln of its depth is added.
    """

    bonus: float = 0.7
    depth_scale: float = 2.0

    def __post_init__(self) -> None:
        _require(
            0 <= self.bonus <= 20 and 0 <= self.depth_scale <= 20,
            f"boost bonus {self.bonus} and depth_scale {self.depth_scale}: need 0 to 20",
        )


@dataclass(frozen=True, slots=True)
class BiasSettings:
    """How arms with ``+bias`` are told their phrases.

    Attributes:
        mode: ``prompt``, ``boost``, ``both`` or ``retrieve`` (both, of what a first pass heard).
        boost: size of the bonus on boosted phrases.
        strategy: how phrases become a prompt; adapters are trained with ``glossary``.
        order: how phrases stand in the prompt.
        candidates: with ``retrieve``, at most so many phrases are told about an utterance.
    """

    mode: str = "prompt"
    boost: BoostSettings = field(default_factory=BoostSettings)
    strategy: str = "glossary"
    order: str = "given"
    candidates: int = 40

    def __post_init__(self) -> None:
        for name, known in (
            ("mode", BIAS_MODES),
            ("strategy", PROMPT_STRATEGIES),
            ("order", PHRASE_ORDERS),
        ):
            value = getattr(self, name)
            _require(
                value in known,
                f"bias {name} {value!r} is unknown; use one of {', '.join(known)}",
            )
        _require(self.candidates >= 1, f"bias candidates {self.candidates}: need 1 or more")

    @property
    def prompts(self) -> bool:
        """Whether phrases are put into prompts."""
        return self.mode != "boost"

    @property
    def boosts(self) -> bool:
        """Whether phrases are boosted."""
        return self.mode != "prompt"

    @property
    def retrieves(self) -> bool:
        """Whether a first pass chooses what is told."""
        return self.mode == "retrieve"

    @property
    def boosts_all(self) -> bool:
        """Whether the whole shared list is boosted, in every utterance alike."""
        return self.boosts and not self.retrieves


@dataclass(frozen=True, slots=True)
class PromptMix:
    """How often a training example is given which kind of prompt.

    Shares of examples, adding up to at most 1; the rest has no prompt. An adapter that never sees
    prompts unlearns them (https://github.com/huggingface/peft/issues/1712); one that sees only true
    phrases learns to copy.

    Attributes:
        true_share: examples told the true phrases among distractors.
        wrong_share: examples told distractors only.
        max_distractors: at most so many phrases that were not said, drawn uniformly from 0.
        alike_share: of those, the share that is easily taken for what was said.
    """

    true_share: float = 0.5
    wrong_share: float = 0.1
    max_distractors: int = 12
    alike_share: float = 0.25

    def __post_init__(self) -> None:
        shares = (self.true_share, self.wrong_share)
        _require(
            min(shares) >= 0 and sum(shares) <= 1,
            f"prompt shares {shares} must not be negative nor add up to more than 1",
        )
        _require(0 <= self.alike_share <= 1, f"alike_share {self.alike_share} is no share")
        _require(self.max_distractors >= 0, f"max_distractors is {self.max_distractors}; need >= 0")


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is done to the sound of a training example, drawn anew in every epoch.

    Attributes:
        channel: ``none``, ``vhf`` (marine FM), ``nbfm`` (land mobile FM), ``am`` (airband),
            ``digital`` (land mobile, codec2) or ``telephone``; put on examples that are tagged
            ``channel = clean``, never on sound that came over a channel already.
        other_channels: further ones, so that an adapter for one radio is not lost on others.
        other_share: share of draws, between 0 and 1, that fall on one of those.
        cnr_db_low: weakest carrier-to-noise ratio drawn for a radio channel, in dB.
        cnr_db_high: strongest.
        time_mask_share: longest share of a clip hidden by SpecAugment's time mask
            (Park et al. 2019, https://arxiv.org/abs/1904.08779).
        frequency_mask_bins: widest band hidden, in mel bins.
        gain_db: loudness is changed by up to so many dB either way.
        speed_percent: speech is played up to so many per cent faster or slower, its pitch with
            it, which makes other speakers of the same ones (Ko et al. 2015, "Audio augmentation
            for speech recognition", https://doi.org/10.21437/Interspeech.2015-711).
    """

    channel: str = "none"
    other_channels: tuple[str, ...] = ()
    other_share: float = 0.5
    cnr_db_low: float = 5.0
    cnr_db_high: float = 30.0
    time_mask_share: float = 0.05
    frequency_mask_bins: int = 12
    gain_db: float = 6.0
    speed_percent: int = 10

    def __post_init__(self) -> None:
        for channel in (self.channel, *self.other_channels):
            _require(
                channel in CHANNELS,
                f"channel {channel!r} is unknown; use one of {', '.join(CHANNELS)}",
            )
        _require(0 <= self.other_share <= 1, f"other_share {self.other_share} is no share")
        _require(
            self.cnr_db_low <= self.cnr_db_high,
            f"cnr_db_low {self.cnr_db_low} is above cnr_db_high {self.cnr_db_high}",
        )
        _require(
            0 <= self.time_mask_share < 1 and self.frequency_mask_bins >= 0 and self.gain_db >= 0,
            "time_mask_share needs 0 to 1, frequency_mask_bins and gain_db 0 or more",
        )
        _require(0 <= self.speed_percent <= 50, f"speed_percent {self.speed_percent}: need 0 to 50")


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """How general speech is mixed into training, so that it is not forgotten.

    Its target is what the untouched model makes of the clean sound with its full window: no labels
    are needed, and the adapter learns to do with a shorter window, and through a channel, what the
    model did without (after Learning without Forgetting, Li & Hoiem 2016,
    https://arxiv.org/abs/1606.09282). The target is not the text alone but what the model found
    likely at each token of it (Hinton et al. 2015, https://arxiv.org/abs/1503.02531).

    Attributes:
        clips: at most so many clips are mixed in, drawn by seed.
        dev_clips: at most so many others measure what is forgotten and what carries over, of
            speakers that nothing is trained on if that can be; never more than a fifth.
        channel_share: share of clips sent over the training's channel, drawn anew in every epoch.
        telephone_share: share sent over a telephone line.
        likeliest: so many tokens at each place share the target; 1 for the text alone.
    """

    clips: int = 400
    dev_clips: int = 40
    channel_share: float = 0.4
    telephone_share: float = 0.2
    likeliest: int = 16

    def __post_init__(self) -> None:
        _require(self.clips >= 0 and self.dev_clips >= 0, "replay clips must not be negative")
        shares = (self.channel_share, self.telephone_share)
        _require(
            min(shares) >= 0 and sum(shares) <= 1,
            f"replay shares {shares} must not be negative nor add up to more than 1",
        )
        _require(
            1 <= self.likeliest <= MOST_LIKELY,
            f"replay likeliest {self.likeliest}: need 1 to {MOST_LIKELY}",
        )


def applies_in_part(method: str, variant: str) -> bool:
    """Whether a part of a change lies between the base model and all of it.

    Not of all weights, nor of DoRA, whose lengths are no sums.
    """
    return method == "lora" and variant != "dora"


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Shape of a LoRA adapter (Hu et al. 2021, https://arxiv.org/abs/2106.09685).

    Attributes:
        rank: rank of the change to each matrix.
        alpha: the change is scaled by alpha / rank.
        dropout: on the input of the change, in training.
        targets: module names it is put on.
        parts: of the network, ``encoder``, ``decoder`` or both.
        variant: ``lora``; ``rslora``, which scales by alpha / sqrt(rank) (Kalajdzievski 2023,
            https://arxiv.org/abs/2312.03732); or ``dora``, which learns the length of each weight
            vector apart from its direction (Liu et al. 2024, https://arxiv.org/abs/2402.09353).
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ALL_PROJECTIONS
    parts: tuple[str, ...] = PARTS
    variant: str = "lora"

    def __post_init__(self) -> None:
        _require(self.rank >= 1 and self.alpha > 0, "LoRA rank and alpha must be above 0")
        _require(0 <= self.dropout < 1, f"LoRA dropout {self.dropout} is no share below 1")
        _require(bool(self.targets), "LoRA needs at least one target module")
        _require(
            bool(self.parts) and set(self.parts) <= set(PARTS),
            f"LoRA parts {self.parts}: need one or both of {', '.join(PARTS)}",
        )
        _require(
            self.variant in VARIANTS,
            f"LoRA variant {self.variant!r} is unknown; use one of {', '.join(VARIANTS)}",
        )


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How weights are trained.

    Attributes:
        method: ``lora`` or ``full`` (all weights).
        epochs: passes over the training data.
        batch_size: utterances a step.
        learning_rate: peak of AdamW; None for 1e-3 (lora) or 2e-5 (full).
        warmup_share: share of the steps in which the rate rises; after that it falls to 0.
        window_slack_frames: silence after the speech, in encoder frames of 20 ms.
        window_least_frames: no window is shorter, in encoder frames of 20 ms.
        silence_share: clips of noise without speech made for each labelled utterance, where the
            training data hold none (an empty reference in a manifest); they teach to write nothing.
        evaluations: how often dev WER is measured and a candidate kept.
        dev_limit: at most so many dev utterances are decoded each time.
        average_last: the mean of the weights of so many last evaluations is one more candidate; 0
            for none. LoRA only.
        members: so many adapters are trained one after the other, each from a seed of its own, and
            the mean of their changes is kept (after Wortsman et al. 2022,
            https://arxiv.org/abs/2203.05482). LoRA without a variant only.
        lora: shape of the adapter.
        mix: kinds of prompt.
        augment: what is done to the sound.
        replay: how general speech is mixed in, where there is any.
    """

    method: str = "lora"
    epochs: int = 3
    batch_size: int = 8
    learning_rate: float | None = None
    warmup_share: float = 0.1
    window_slack_frames: int = 128
    window_least_frames: int = 400
    silence_share: float = 0.03
    evaluations: int = 5
    dev_limit: int = 80
    average_last: int = 0
    members: int = 1
    lora: LoraSettings = field(default_factory=LoraSettings)
    mix: PromptMix = field(default_factory=PromptMix)
    augment: Augmentation = field(default_factory=Augmentation)
    replay: ReplaySettings = field(default_factory=ReplaySettings)

    def __post_init__(self) -> None:
        _require(
            self.method in METHODS,
            f"method {self.method!r} is unknown; use one of {', '.join(METHODS)}",
        )
        for name in ("epochs", "batch_size", "evaluations", "dev_limit", "members"):
            _require(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; need 1 or more")
        _require(self.rate > 0, f"learning_rate {self.rate} must be above 0")
        _require(0 <= self.warmup_share < 1, f"warmup_share {self.warmup_share} is no share")
        _require(0 <= self.silence_share <= 1, f"silence_share {self.silence_share} is no share")
        _require(
            0 <= self.window_slack_frames < MAX_FRAMES,
            f"window_slack_frames {self.window_slack_frames}: need 0 to {MAX_FRAMES - 1}",
        )
        _require(
            0 <= self.window_least_frames <= MAX_FRAMES,
            f"window_least_frames {self.window_least_frames}: need 0 to {MAX_FRAMES}",
        )
        self._check_average()

    def _check_average(self) -> None:
        _require(
            self.average_last == 0 or 2 <= self.average_last <= self.evaluations,
            f"average_last is {self.average_last}; need 0, or 2 to the {self.evaluations} "
            "evaluations there are",
        )
        _require(
            self.average_last == 0 or self.method == "lora",
            f"average_last {self.average_last}: only LoRA weights are averaged; leave it out",
        )
        _require(
            self.members == 1 or (self.method, self.lora.variant) == ("lora", "lora"),
            f"members {self.members}: only changes of plain LoRA are averaged; leave it out",
        )

    @property
    def window(self) -> Window:
        """The trimmed window that is trained."""
        return Window(self.window_slack_frames, self.window_least_frames)

    @property
    def has_strengths(self) -> bool:
        """Whether a part of what is learned can be applied."""
        return applies_in_part(self.method, self.lora.variant)

    @property
    def rate(self) -> float:
        """The learning rate, by method where none is set."""
        if self.learning_rate is None:
            return DEFAULT_LEARNING_RATES[self.method]
        return self.learning_rate


DECODED_TOGETHER = 16
"""Utterances in a batch: in windows that fit the speech, 16 rows of a token take as long as 8."""


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How text is searched for.

    Attributes:
        batch_size: utterances decoded together.
        beam_size: 1 for greedy search.
    """

    batch_size: int = DECODED_TOGETHER
    beam_size: int = 1

    def __post_init__(self) -> None:
        _require(
            self.batch_size >= 1 and self.beam_size >= 1,
            f"batch_size {self.batch_size} and beam_size {self.beam_size}: need 1 or more",
        )
