"""A method whose student also learns what teachers say."""

import dataclasses


def taught(recipe, teachers, data):
    """The recipe, with the answers of teachers as one more term.

    Args:
        recipe: The `apps.Recipe`.
        teachers: List of `keras.Model`s; with none the recipe stays.
        data: The `apps.ImageData`; its unlabelled images are learned from,
            too.

    Returns:
        An `apps.Recipe`.
    """
    if not teachers:
        return recipe

    def transfer_losses(setting):
        from kerastl.losses import TeacherDistillation

        return [
            *recipe.transfer_losses(setting),
            TeacherDistillation(teachers),
        ]

    return dataclasses.replace(
        recipe,
        transfer_losses=transfer_losses,
        needs_unlabelled=recipe.needs_unlabelled or data.unlabelled is not None,
        weighted=True,
    )
