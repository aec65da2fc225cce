"""A deterministic simulated county: department files, their dirt, and what must become of them.

Truth is made first, faults are planted into it, and the manifest is written while planting. It
shares no code with the rooms that it tests. All persons, ids and accounts are invented.
"""

from dagster_project.simulate.run import Progress, simulate
from dagster_project.simulate.samples import write_samples

__all__ = ["Progress", "simulate", "write_samples"]
