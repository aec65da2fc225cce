"""``sql/`` -> a graph of models -> tables of the lake, written only when their content changed."""

from __future__ import annotations

from dagster_project.transform.models.build import BuildResult, build
from dagster_project.transform.models.deadlines import register_deadlines, written_deadlines
from dagster_project.transform.models.disagreements import (
    Compared,
    compare,
    settle,
    withdraw_others,
)
from dagster_project.transform.models.load import load_models, past_model
from dagster_project.transform.models.model import Graph, Model, Parameters
from dagster_project.transform.models.register import register_feeds, register_weights
from dagster_project.transform.models.register_cases import register_case_terms
from dagster_project.transform.models.replay import Inputs, Scene, Stage, at, replay, stage
from dagster_project.transform.models.versions import parameters_of

__all__ = [
    "BuildResult",
    "Compared",
    "Graph",
    "Inputs",
    "Model",
    "Parameters",
    "Scene",
    "Stage",
    "at",
    "build",
    "compare",
    "load_models",
    "parameters_of",
    "past_model",
    "register_case_terms",
    "register_deadlines",
    "register_feeds",
    "register_weights",
    "replay",
    "settle",
    "stage",
    "withdraw_others",
    "written_deadlines",
]
