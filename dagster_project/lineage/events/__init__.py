"""What each materialization read and made, as OpenLineage events: written, kept, handed on."""
