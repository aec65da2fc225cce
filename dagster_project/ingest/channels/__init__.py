"""The ways in which deliveries arrive; one module per way."""

from dagster_project.ingest.channels.base import Candidate, Channel, Discovery, Remark
from dagster_project.ingest.channels.inbox import InboxChannel

__all__ = ["Candidate", "Channel", "Discovery", "InboxChannel", "Remark"]
