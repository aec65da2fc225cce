"""Opening figures as they were made: by the SQL, the parameters and the snapshot of their build.

``made`` finds what a table was made of, ``laid`` lays the tables out, ``session`` opens figures,
``proving`` holds the opened rows against bronze and ledgers, ``files`` against the landed files,
``rejected`` asks what the figure would be with the rejected rows, ``story`` puts it all together.
How one figure is opened is ``lineage``'s matter.
"""

from dagster_project.components.steps.tracing.session import Figures, figures
from dagster_project.components.steps.tracing.story import Story

__all__ = ["Figures", "Story", "figures"]
