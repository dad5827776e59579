"""Which methods train together, from what their recipes say."""

from kerastl import apps
from kerastl.surgery.wordnet import WordNet

# Together they would make no sense: two of a kind, or one inside the other.
EXCLUSIVE = [
    {"akc", "akc_arc"},
    {"arc", "akc_arc"},
    {"adafilter", "spottune"},
    {"filtered_transfer", "kakurenbo"},
    {"clustering", "pruning"},
    {"similarity", "semantic_similarity", "imprinting", "akc_arc"},
]
# More pull a network in too many directions.
_MOST = 9


def trained_methods():
    """Names of the methods that train and that this machine can run."""
    names = {name for name, each in apps.RECIPES.items() if each.trains}
    try:
        WordNet()
    except (FileNotFoundError, ImportError):
        # WordNet is a package of the system's.
        names -= {"semantic_similarity"}
    return sorted(names)


def fits(names):
    """Whether methods can be joined, and make sense together."""
    if any(len(group & set(names)) > 1 for group in EXCLUSIVE):
        return False
    rows = [apps.RECIPES[name] for name in names]
    if any(row.narrows for row in rows) and any(
        row.uses_source or row.regularizer is not None for row in rows
    ):
        # Channels that are gone cannot be compared with the source's.
        return False
    try:
        apps.get_recipe("+".join(names))
    except ValueError:
        return False
    return True


def method_groups():
    """Every method once, in few groups that train together."""
    names, groups = trained_methods(), []
    # Those that go with few first: the others then join them.
    partners = {
        name: sum(fits([name, other]) for other in names) for name in names
    }
    for name in sorted(names, key=partners.get):
        for group in groups:
            if len(group) < _MOST and fits([*group, name]):
                group.append(name)
                break
        else:
            groups.append([name])
    return ["+".join(group) for group in groups]
