from typing import Any

from kerastl.training.transfer_loss import TransferLoss


class LabelChange(TransferLoss):
    """Base of the terms that change labels and add nothing to the loss.

    Args:
        name: As in `TransferLoss`.
    """

    needs_source = False
    changes_target = True

    def __init__(self, name: str | None = None) -> None:
        super().__init__(weight=0.0, name=name)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}
