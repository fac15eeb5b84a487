import hashlib

import numpy as np
import pytest
import torch

from components.parts import loading as parts
from components.parts.kinds import tabular

COLUMNS = {
    "columns": {
        "age": {"type": "number"},
        "kind": {"type": "category"},
        "tags": {"type": "set"},
    }
}
KIND = tabular.build(tabular.Config(), name="facts", columns=COLUMNS)
RAWS = [
    {"age": 3, "kind": "cat", "tags": ["a", "b"]},
    {"kind": "cat", "tags": []},
    {"age": 1, "tags": ["a", "b", "c", "d"]},
    {"age": 2, "kind": "a"},
]


def build(**options):
    config = parts.configure("encoders", "multiplexed", {"rows": 50, "members": 3, **options})
    return parts.load("encoders", "multiplexed").build(config, kind=KIND)


def encode(raws, **options):
    return build(**options).encode([KIND.decode(raw) for raw in raws])


def hashed(field, value):
    """Both rows by hashlib: halves of blake2b with 16 bytes, little endian."""
    digest = hashlib.blake2b(f"{field}\x1f{value}".encode(), digest_size=16).digest()
    return [int.from_bytes(digest[i : i + 8], "little") % 50 for i in (0, 8)]


def test_the_layout_is_numbers_then_two_places_of_each_member():
    rows = encode(RAWS)
    assert rows.shape == (4, 1 + 2 + 6)
    assert rows[0, 0] == 3
    assert np.isnan(rows[1, 0])
    assert rows[0, 1:3].tolist() == hashed("kind", "cat")
    assert rows[0, 3:].tolist() == [*hashed("tags", "a"), *hashed("tags", "b"), -1, -1]
    assert (rows[1, 3:] == -1).all(), "an empty set names nothing"
    assert rows[3, 3:5].tolist() == hashed("tags", "\x00"), "a missing one has a place"
    assert -1 not in rows[2, 3:], "a longer set is cut"


def test_one_value_in_two_fields_has_different_places():
    assert hashed("kind", "a") != hashed("tags", "a")
    assert encode(RAWS)[3, 1:3].tolist() == hashed("kind", "a")


def test_values_are_looked_up_in_one_table_and_members_are_added():
    """Against a loop in numpy; the layer behind is that of ``fields``."""
    network = build(dim=2).network().eval()
    rows = encode(RAWS)
    network.fit_statistics(torch.from_numpy(rows))
    table = network.table.weight.detach().numpy()
    wanted = np.zeros((4, 1 + 4 + 4), np.float32)
    wanted[:, 0] = rows[:, 0]
    for row in range(4):
        for start, stop, at in ((1, 3, 1), (3, 9, 5)):
            for place in range(start, stop, 2):
                if rows[row, place] >= 0:
                    one, two = rows[row, place : place + 2].astype(int)
                    wanted[row, at : at + 4] += np.concatenate([table[one], table[two]])
    found = network(torch.from_numpy(rows))
    assert torch.allclose(found, network.fields(torch.from_numpy(wanted)), atol=1e-6)


def test_light_heads_read_which_rows_are_named():
    network = build().network()
    rows = encode(RAWS)
    network.fit_statistics(torch.from_numpy(rows))
    named = network.light(torch.from_numpy(rows))[:, 2:]
    for row in range(4):
        places = {int(x) for x in rows[row, 1:] if x >= 0}
        assert set(named[row].nonzero().flatten().tolist()) == places


def test_all_fields_share_the_parameters_of_one_table():
    def count(network):
        return sum(p.numel() for p in network.parameters())

    separate = parts.load("encoders", "fields").build(
        parts.configure("encoders", "fields", {"buckets": 256}), kind=KIND
    )
    assert count(build(rows=256).network()) < count(separate.network()) / 4


@pytest.mark.parametrize("options", [{"rows": 1}, {"dim": 0}])
def test_wrong_options_say_what_is_wanted(options):
    with pytest.raises(Exception, match=r"got .* wanted"):
        build(**options)
