"""``concord up``: the small team's servers as processes of this machine, without containers."""
