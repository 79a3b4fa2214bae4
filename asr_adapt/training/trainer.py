"""transformers' Trainer as we run it: one planned batch a step, on the trimmed window."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from asr_adapt.environment import check_tracker
from asr_adapt.errors import EnvironmentProblem
from asr_adapt.model import (
    SpeechModel,
    autocast,
    computes_bfloat16,
    encode,
    spare_casts,
    with_new_lora,
)
from asr_adapt.records import Utterance
from asr_adapt.training import checkpoints
from asr_adapt.training.dataset import IGNORED_LABEL, BatchPlan, SoftText, TrainingBatches
from asr_adapt.training.train_job import TrainJob

LOG_EVERY_STEPS = 5


def trainable(base: SpeechModel, job: TrainJob) -> SpeechModel:
    """Return a copy of the base with the weights that the method trains set free."""
    network = copy.deepcopy(base.network)
    model = replace(base, network=network)
    if job.settings.method == "lora":
        return with_new_lora(model, job.settings.lora, job.seed)
    network.requires_grad_(True)
    model.whisper.model.encoder.embed_positions.requires_grad_(False)
    return model


def training_loss(model: SpeechModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the mean cross-entropy of a batch's text tokens to their targets.

    Logits are computed where there is a label only: most tokens are prompt, and the vocabulary is
    most of the decoder's work.
    """
    whisper = model.whisper
    states = whisper.model.decoder(
        input_ids=batch["decoder_input_ids"],
        encoder_hidden_states=encode(whisper, batch["input_features"]),
        use_cache=False,
    ).last_hidden_state
    labelled = batch["labels"] != IGNORED_LABEL
    found = whisper.proj_out(states[labelled]).float().log_softmax(-1)
    at_targets = found.gather(-1, batch["target_ids"][labelled])
    loss: torch.Tensor = -(at_targets * batch["target_shares"][labelled]).sum(-1).mean()
    return loss


class AdaptTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer with our loss, and checkpoints that are sealed before they count."""

    def __init__(self, speech_model: SpeechModel, checkpoint_root: Path, **trainer: Any) -> None:
        super().__init__(model=speech_model.network, **trainer)
        self.speech_model = speech_model
        self.checkpoint_root = checkpoint_root

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Compute the loss on the trimmed window."""
        with autocast(self.args.device):  # accelerate's wraps forward, which we do not call
            return training_loss(self.speech_model, inputs)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            step = self.state.global_step
            staged = Path(str(self.args.output_dir)) / f"checkpoint-{step}"
            checkpoints.seal(staged, self.checkpoint_root, step)


def build_trainer(
    model: SpeechModel,
    job: TrainJob,
    work: Path,
    log: Path,
    batches: TrainingBatches,
    callbacks: Sequence[TrainerCallback],
) -> AdaptTrainer:
    """Set the Trainer up: one planned batch a step, in order.

    Args:
        model: with the weights to train.
        job: what is trained.
        work: for checkpoints; does not stay.
        log: for what TensorBoard is told; stays.
        batches: in their order.
        callbacks: called at each step.
    """
    if job.report_to != "none":
        check_tracker(job.report_to, "--report-to")
    # DoRA takes the norms of frozen weights, in float32.
    if computes_bfloat16(model.device) and job.settings.lora.variant != "dora":
        spare_casts(model)
    if job.settings.method == "full":
        expect_tied_weights(model)
    root = work / "checkpoints"
    staging = work / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    for folder in (root, staging):
        folder.mkdir(parents=True, exist_ok=True)
    trainer = AdaptTrainer(
        speech_model=model,
        checkpoint_root=root,
        args=training_arguments(model, job, staging, work, len(batches)),
        train_dataset=batches,
        data_collator=only_item,
        callbacks=[*callbacks, *([log_into(log)] if job.report_to == "tensorboard" else [])],
    )
    trainer.remove_callback(PrinterCallback)
    if trainer.args.world_size > 1:
        # Our loss calls parts of the network, which would not sum gradients over processes.
        raise EnvironmentProblem("training runs in one process; start it without torchrun")
    return trainer


def log_into(folder: Path) -> TrainerCallback:
    """Return what logs for TensorBoard, into a folder that stays; the Trainer's own does not.

    The variable TENSORBOARD_LOGGING_DIR goes before, as always with the Trainer.
    """
    from transformers.integrations import TensorBoardCallback

    callback = TensorBoardCallback()
    callback.logging_dir = callback.logging_dir or str(folder)
    return callback


def expect_tied_weights(model: SpeechModel) -> None:
    """Say which weights are no files of their own, of which the Trainer else warns on resuming."""
    whisper = model.whisper
    if whisper.proj_out.weight is whisper.model.decoder.embed_tokens.weight:
        whisper._keys_to_ignore_on_save = {"proj_out.weight"}


def check_device(device: torch.device) -> None:
    """Refuse what the Trainer would not train on.

    Raises:
        EnvironmentProblem: a GPU that is not the first one; the Trainer takes that.
    """
    if device.index:
        raise EnvironmentProblem(
            f"device {device}: training runs on the first GPU that torch sees; use --device cuda "
            f"with CUDA_VISIBLE_DEVICES={device.index}"
        )


def training_batches(
    model: SpeechModel,
    job: TrainJob,
    rows: Sequence[Utterance],
    plans: Sequence[BatchPlan],
    soft: Sequence[SoftText | None],
) -> TrainingBatches:
    """Return the batches of the whole run."""
    return TrainingBatches(
        model,
        rows,
        plans,
        window=model.window,
        mix=job.settings.mix,
        prompts=job.prompts,
        augmentation=job.settings.augment,
        replay=job.settings.replay,
        soft=soft,
        seed=job.seed,
    )


def only_item(items: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Collate for a data set whose items are whole batches."""
    (item,) = items  # a second one would be lost without a word
    return item


def training_arguments(
    model: SpeechModel, job: TrainJob, staging: Path, work: Path, steps: int
) -> TrainingArguments:
    """Translate our settings into transformers'."""
    on_gpu = model.device.type == "cuda"
    arguments = TrainingArguments(
        output_dir=str(staging),
        max_steps=steps,
        per_device_train_batch_size=1,
        train_sampling_strategy="sequential",
        learning_rate=job.settings.rate,
        lr_scheduler_type="linear",
        warmup_steps=round(job.settings.warmup_share * steps),
        weight_decay=0.0,
        max_grad_norm=1.0,
        seed=job.seed,
        bf16=on_gpu,
        use_cpu=not on_gpu,
        dataloader_num_workers=torch.get_num_threads() if on_gpu else 0,
        dataloader_pin_memory=on_gpu,
        remove_unused_columns=False,
        label_names=["labels"],
        save_strategy="steps",
        save_steps=max(1, -(-steps // job.settings.evaluations)),
        logging_steps=LOG_EVERY_STEPS,
        disable_tqdm=True,
        report_to=[job.report_to] if job.report_to in ("wandb", "mlflow") else [],
        run_name=work.parent.name,
    )
    if arguments.n_gpu > 1:
        # The Trainer would split each batch among all GPUs it sees, and a planned batch is whole.
        arguments._n_gpu = 1
    return arguments
