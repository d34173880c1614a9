"""The stand-in for Claude."""

from concurrent.futures import ThreadPoolExecutor

from local.analysis.grammar import grammar_findings

TEXT = "He go home since three years and they was happy. She want more informations about it. " * 20


def test_analyses_at_once_do_not_disturb_each_other() -> None:
    """Harper's linter takes one caller at a time; sessions that are analyzed at once wait for it."""
    alone = grammar_findings(TEXT)
    with ThreadPoolExecutor(4) as workers:
        together = list(workers.map(grammar_findings, [TEXT] * 8))

    assert alone
    assert all(findings == alone for findings in together)
