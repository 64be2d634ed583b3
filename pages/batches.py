"""All batches, the newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from pages import components, context
from services.jobs.models import FELL_SHORT, BatchSummary, State

PER_PAGE = 30

runtime = context.runtime()


def batch_row(summary: BatchSummary) -> dict[str, Any]:
    """Return a batch's row."""
    counts, total = summary.counts, summary.total
    over = sum(count for state, count in counts.items() if state.over)
    done = counts.get(State.DONE, 0)
    bad = [f"{counts[s]} {s}" for s in FELL_SHORT if counts.get(s)]
    if not summary.over:
        status, tone = f"{over} of {total} ended", "busy"
    elif bad:
        status, tone = " · ".join([f"{done} of {total} done", *bad]), "bad"
    else:
        status, tone = f"{done} done", "good"
    return components.row(
        summary.batch.id,
        context.batch_name(summary.first_name, total),
        icon="folder",
        detail=" · ".join(
            part
            for part in (
                f"{datetime.fromtimestamp(summary.batch.created_at):%d %b %Y, %H:%M}",
                context.shared_by(runtime, summary.batch.owner),
            )
            if part
        ),
        status=status,
        tone=tone,
        share=None if summary.over else summary.share,
        opens=True,
    )


@context.refreshing("3s")
def show() -> None:
    """Show a page of batches."""
    count = runtime.count_batches()
    if not count:  # yet, or not any more: what is deleted elsewhere goes from here too
        context.nothing_yet()
        return
    found = runtime.batches(PER_PAGE, context.first_shown(count, PER_PAGE))
    clicked = components.rows([batch_row(one) for one in found], key="batches")
    if clicked:
        st.switch_page(context.BATCH, query_params={"batch": clicked[1]})


st.title("Batches")
show()
