"""The squared difference of student and teacher."""

from dataclasses import dataclass

from components.parts.network import Disturbance
from components.parts.online import Ssl


@dataclass(frozen=True, kw_only=True)
class Config:
    drop: float = 0.3


class Squared(Ssl):
    terms = ("difference",)

    def __init__(self, drop):
        super().__init__()
        self.strong = Disturbance(drop=drop)

    def forward(self, answered):
        difference = answered.student.logits - answered.teacher.logits
        return {"difference": 1.0 * difference.float().square().mean()}


def refuses(config, setting):
    return None


def build(config, *, setting):
    return Squared(config.drop)
