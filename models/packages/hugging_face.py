"""Models of transformers: classifiers of texts and images, and causal language models.

A name is a folder with a `config.json`, looked up where users' modules are; a folder within an
installed package; or a repository of the Hugging Face hub. Code in a repository is never executed.

A model is a language model if it has as many outputs as the data has tokens. Otherwise it is a
classifier, whose head is drawn from the seed even if there are weights for it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub.utils import logging as hub_logging
from torch import nn
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
)
from transformers.utils import logging

from cutlayer.models.block_cost import Shape
from cutlayer.models.errors import ModelError
from cutlayer.models.packages.folders import folder_of, weights_in
from cutlayer.models.packages.one_input import on_images, on_tokens

_IMAGES: Final = "image classification"
_TEXTS: Final = "sequence classification"
_TOKENS: Final = "causal language modelling"
_KINDS: Final[dict[str, tuple[Any, Any]]] = {
    _TEXTS: (AutoModelForSequenceClassification, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING),
    _IMAGES: (AutoModelForImageClassification, MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING),
    _TOKENS: (AutoModelForCausalLM, MODEL_FOR_CAUSAL_LM_MAPPING),
}


def factory(package: str, model: str) -> Callable[..., nn.Module]:
    """Return the function that makes a model. Raises ModelError without its configuration."""
    folder = folder_of(model)
    source = model if folder is None else str(folder)
    return _factory(
        f"{package}:{model}", source, _config(f"{package}:{model}", source).to_json_string()
    )


def revision(model: str) -> str:
    """Return the revision of a repository of the hub, or its configuration if there is none."""
    config = _config(f"transformers:{model}", model)
    return str(config._commit_hash or config.to_json_string())


@lru_cache(maxsize=8)
def _factory(name: str, source: str, config_text: str) -> Callable[..., nn.Module]:
    """Return the function that makes a model; the configuration's text is part of the cache's key."""
    del config_text

    def made(
        classes: int,
        input_shape: Shape,
        vocabulary: int | None = None,
        pretrained: bool | None = None,
        padding: int | None = None,
    ) -> nn.Module:
        config = _config(name, source)
        folder = Path(source)
        brings = bool(weights_in(folder)) if folder.is_dir() else True
        if pretrained and not brings:
            raise ModelError(f"model {name!r} has no weights in {source}: remove pretrained")
        loads = brings and pretrained is not False
        task = _task(name, config, classes, input_shape, vocabulary)
        _adapt(name, config, task, classes, input_shape, vocabulary, loads)
        if padding is not None and not loads:
            config.pad_token_id = padding
        kind, _ = _KINDS[task]
        model: nn.Module = kind.from_config(config, dtype=torch.float32, trust_remote_code=False)
        _check_length(name, model, task, input_shape)
        if loads and not torch.empty(0).is_meta:
            _load(name, model, source, config, task)
        masked = getattr(config, "pad_token_id", None) if padding is None else padding
        if task == _TEXTS:  # some classifiers look at the last token that is not padding
            config.pad_token_id = -1 if masked is None else masked
        if task == _IMAGES:
            on_images(model)
        else:
            on_tokens(model, masked if task == _TEXTS else None)
        return model

    return made


def _task(name: str, config: Any, classes: int, input_shape: Shape, vocabulary: int | None) -> str:
    tokens = (
        config.vocab_size if vocabulary is None and hasattr(config, "vocab_size") else vocabulary
    )
    if len(input_shape) == 3:
        task = _IMAGES
    elif len(input_shape) == 1:
        task = _TOKENS if classes == tokens else _TEXTS
    else:
        raise ModelError(
            f"model {name!r} takes tokens (length,) or images (channels, height, width), and inputs "
            f"have the shape {input_shape}"
        )
    if type(config) not in _KINDS[task][1]:
        others = [known for known, (_, mapping) in _KINDS.items() if type(config) in mapping]
        has = f"transformers has it for {', '.join(others)}" if others else "nor for other tasks"
        raise ModelError(
            f"model {name!r} ({config.model_type}) is not made for {task}, as inputs of shape "
            f"{input_shape} and {classes} outputs need; {has}"
        )
    return task


def _adapt(
    name: str,
    config: Any,
    task: str,
    classes: int,
    input_shape: Shape,
    vocabulary: int | None,
    loads: bool,
) -> None:
    """Set the outputs, and without weights also the sizes of inputs, to those of the data."""
    config.use_cache = False
    if task == _TOKENS:
        if hasattr(config, "is_decoder"):
            config.is_decoder = True  # an encoder would see the tokens that it predicts
    else:
        config.num_labels = classes
    if task == _IMAGES and not loads:
        config.num_channels = input_shape[0]
        if hasattr(config, "image_size"):
            config.image_size = input_shape[1] if len({*input_shape[1:]}) == 1 else input_shape[1:]
    if task != _IMAGES and vocabulary is not None and vocabulary != config.vocab_size:
        if not loads:
            config.vocab_size = vocabulary
            if config.pad_token_id is not None and config.pad_token_id >= vocabulary:
                config.pad_token_id = None
        elif vocabulary > config.vocab_size or task == _TOKENS:
            raise ModelError(
                f"model {name!r} has weights for {config.vocab_size} tokens, and the data has "
                f"{vocabulary}: take its own tokenizer, or pretrained: false"
            )


def _check_length(name: str, model: nn.Module, task: str, input_shape: Shape) -> None:
    """Raise ModelError for a sequence longer than a table of positions."""
    for path, part in model.named_modules():
        if (
            task != _IMAGES
            and isinstance(part, nn.Embedding)
            and "position" in path.rpartition(".")[2]
        ):
            first = 0 if part.padding_idx is None else part.padding_idx + 1
            if input_shape[0] > part.num_embeddings - first:
                raise ModelError(
                    f"model {name!r} takes at most {part.num_embeddings - first} tokens, and inputs "
                    f"have {input_shape[0]}"
                )


def _load(name: str, model: nn.Module, source: str, config: Any, task: str) -> None:
    """Load the weights of a language model, or those of a classifier below its head."""
    target: Any = model if task == _TOKENS else model.base_model
    with _quiet():
        try:
            loaded = type(target).from_pretrained(source, config=config, dtype=torch.float32)
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"model {name!r}: its weights cannot be loaded ({_first(error)})"
            ) from None
    target.load_state_dict(loaded.state_dict(), strict=False)


def _config(name: str, source: str) -> Any:
    with _quiet():
        try:
            return AutoConfig.from_pretrained(source, trust_remote_code=False)
        except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
            raise ModelError(
                f"model {name!r} is not a folder with a config.json beside the scenario or in an "
                f"installed package, nor in reach on the hub ({_first(error)})"
            ) from None


def _first(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the progress bars and reports of transformers and the hub."""
    levels = [(library, library.get_verbosity()) for library in (logging, hub_logging)]
    bars = logging.is_progress_bar_enabled()
    for library, _ in levels:
        library.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        for library, level in levels:
            library.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
