"""Triggers: what rq-scheduler is asked to call, and when. It only ever calls control."""
