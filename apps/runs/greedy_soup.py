"""Which of several trainings are averaged, by what validation images say."""

from kerastl.apps.runs.measure_network import accuracy_on


def choose_members(members, network, data, rates):
    """Chooses the members of a greedy soup.

    The most accurate on the validation images comes first, and then one
    after another those with which the mean is no less accurate.

    Args:
        members: Dict from the number of a training to its weights.
        network: A network to put weights into.
        data: The `apps.ImageData`.
        rates: Learning rate of each training, also of those that diverged.

    Returns:
        The members that are kept, as `members`, and a dict for the report:
        the `accuracy` of their mean, and of the `trainings` the
        `learning_rate`, the `accuracy` (`None` if it diverged) and whether it
        was `kept`.
    """

    def accuracy(weights):
        network.set_weights(weights)
        return accuracy_on(network, data, "validation")

    alone = {number: accuracy(each) for number, each in members.items()}
    chosen, best = {}, 0.0
    # Of equals the first.
    for number in sorted(alone, key=lambda number: -alone[number]):
        tried = {**chosen, number: members[number]}
        found = accuracy(mean_weights(tried.values()))
        if not chosen or found >= best:
            chosen, best = tried, found
    rows = [
        {
            "learning_rate": rate,
            "accuracy": alone.get(number),
            "kept": number in chosen,
        }
        for number, rate in enumerate(rates)
    ]
    return chosen, {"trainings": rows, "accuracy": best}


def describe_soup(soup):
    """Returns the sentences that say what a greedy soup was made of.

    Args:
        soup: What `train_soup` finds of several learning rates.
    """
    told = []
    for row in soup["trainings"]:
        text = "diverged"
        if row["accuracy"] is not None:
            text = f"{100 * row['accuracy']:.1f} %"
        told.append(f"{row['learning_rate']:g} ({text})")
    kept = sum(row["kept"] for row in soup["trainings"])
    whose = f"The weights of {kept} are averaged" if kept > 1 else "One is kept"
    return (
        f"It was trained {len(told)} times, at the learning rates "
        f"{', '.join(told)} of the validation images. {whose}, with which it "
        f"names {100 * soup['accuracy']:.1f} %."
    )


def mean_weights(members):
    """The mean of lists of weights, each of its own type."""
    members = list(members)
    return [
        sum(each.astype("float64") / len(members) for each in weights).astype(
            weights[0].dtype
        )
        for weights in zip(*members, strict=True)
    ]
