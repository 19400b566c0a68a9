"""The words of the page, for someone who meets them there first."""

WORDS = (
    ("measured", "integrated from the readings of a meter"),
    ("derived", "arithmetic on measured values"),
    ("extrapolated", "some measured epochs times the planned number"),
    ("modelled", "computed from counted FLOPs and bytes and a device's profile; nobody read it from a meter"),
    ("missing", "not known, with the reason; never taken as zero, and no total is made of it"),
    ("what-if", "joules of emulated 8-bit arithmetic at published unit energies: not measured, not ranked with others"),
    ("scope", "what a figure covers: chip, rail, module, board or wall; unlike scopes are never added"),
    ("95 % bounds", "the truth lies between them in at least 95 of 100 cases"),
    ("useful", "each epoch's cost once, the search for a ticket included: what methods are compared on"),
    ("spent", "all attempts, with evaluation, overhead and what crashes lost"),
    ("Pareto front", "the runs that no other run beats in both energy and accuracy"),
    ("ticket", "the part of a network that was kept when it was pruned"),
)
