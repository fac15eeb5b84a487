"""The network of the encoder ``lora``, apart because inputs are made without ``peft``."""

from typing import Any

from torch import Tensor, nn

from components.parts.encoders._pretrained import Pretrained
from components.parts.encoders._transformers import network, pooled
from components.parts.encoders.lora import Config
from components.parts.network import ViewNetwork


class LoraNetwork(ViewNetwork):
    """A pretrained model whose adapters alone are learned, saved and loaded.

    Args:
        config: see ``Config``.
        model: the folder.
    """

    def __init__(self, config: Config, model: Pretrained) -> None:
        super().__init__()
        from peft import LoraConfig, inject_adapter_in_model

        how = LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,  # type: ignore[arg-type]
            lora_dropout=config.dropout,
            target_modules=_linear(base := network(model)),
        )
        self._described = model
        self.base: nn.Module = inject_adapter_in_model(how, base).eval()
        self.out_dim = model.dim
        for name, parameter in self.base.named_parameters():
            parameter.requires_grad = "lora_" in name
        self.register_state_dict_post_hook(_adapters_alone)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_with_base)  # type: ignore[no-untyped-call]

    def train(self, mode: bool = True) -> "LoraNetwork":
        """Training mode of the adapters' dropout; that of the model itself stays off."""
        super().train(mode)
        for name, module in self.base.named_modules():
            module.training = mode and "lora_" in name
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, tokens)`` to ``(batch, dim)``."""
        there = inputs >= 0
        there = there | ~there.any(dim=1, keepdim=True)  # an absent row is computed too
        read = {"input_ids": inputs.clamp_min(0).long(), "attention_mask": there.long()}
        return pooled(self.base, self._described, "text", read)


def _linear(model: Any) -> list[str]:  # noqa: ANN401
    """Names of the linear layers that a text goes through."""
    return [
        name
        for name, one in model.named_modules()
        if isinstance(one, nn.Linear) and not name.startswith("vis") and "pooler" not in name
    ]


def _adapters_alone(
    module: nn.Module,  # noqa: ARG001
    state: dict[str, Tensor],
    prefix: str,
    metadata: Any,  # noqa: ANN401, ARG001
) -> None:
    """Leave the model's own weights out: its folder has them."""
    for name in [n for n in state if n.startswith(f"{prefix}base.") and "lora_" not in n]:
        del state[name]


def _with_base(
    module: nn.Module,
    state: dict[str, Tensor],
    prefix: str,
    *rest: Any,  # noqa: ANN401, ARG001
) -> None:
    """Add the model's own weights, which a state never holds."""
    base = module.base
    assert isinstance(base, nn.Module)
    for name, tensor in base.state_dict(prefix=f"{prefix}base.").items():
        if "lora_" not in name:
            state.setdefault(name, tensor)
