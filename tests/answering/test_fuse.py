"""One order out of several arms, which tells nothing of the numbers behind it."""

from dataclasses import replace
from uuid import UUID

import pytest

from answering.fuse import FOREIGN, FUSED, WITH_TOKENS, WITHOUT, fuse, merge
from moat.records import ArmScore, Passage
from tests.fakes.passages import passage


def found(name: str, **arms: float) -> Passage:
    scored = {arm: ArmScore(1, score) for arm, score in arms.items()}
    return replace(passage(name), passage_id=UUID(int=len(name)), title=name, arms=scored)


def names(passages: list[Passage]) -> list[str]:
    return [p.title for p in passages]


def test_shares_of_a_blend_add_up_to_one() -> None:
    for shares in (WITH_TOKENS, WITHOUT, FOREIGN):
        assert sum(shares.values()) == pytest.approx(1)


def test_a_clear_lead_by_score_outweighs_a_narrow_one() -> None:
    clear = found("clear", dense=0.8, sparse=9.9, tokens=0.9)
    narrow = found("narrow!", dense=0.5, sparse=10.0, tokens=0.5)
    poor = found("poor", dense=0.1, sparse=1.0, tokens=0.2)
    assert names(fuse([poor, narrow, clear], "blend")) == ["clear", "narrow!", "poor"]


def test_words_count_most_where_the_embedder_does_not_know_the_language() -> None:
    near, worded = found("near", dense=0.8, sparse=1.0, tokens=0.9), found("worded", dense=0.1, sparse=9.0, tokens=0.2)
    assert names(fuse([near, worded], "blend")) == ["near", "worded"]
    assert names(fuse([near, worded], "blend", foreign=True)) == ["worded", "near"]


def test_what_the_words_did_not_bring_has_perhaps_half_of_their_last() -> None:
    best, last, without = found("a", dense=0.5, sparse=9.0), found("bb", dense=0.5, sparse=6.0), found("ccc", dense=0.5)
    scores = [p.arms[FUSED].score for p in fuse([best, last, without], "blend")]
    assert scores == pytest.approx([0.65 + 0.35, 0.65 + 0.35 * 6 / 9, 0.65 + 0.35 * 3 / 9], abs=1e-5)


def test_one_candidate_alone_is_the_best_of_every_arm() -> None:
    (only,) = fuse([found("a", dense=0.1, sparse=2.0, tokens=0.3)], "blend")
    assert only.arms[FUSED] == ArmScore(1, 1.0)


def test_rank_fusion_looks_at_ranks_alone() -> None:
    one = replace(found("one"), arms={"dense": ArmScore(1, 0.9), "sparse": ArmScore(9, 0.1)})
    two = replace(found("second"), arms={"dense": ArmScore(2, 0.1), "sparse": ArmScore(3, 0.1)})
    first, other = fuse([one, two], "rrf")
    assert (first.title, other.title) == ("second", "one")
    assert first.arms[FUSED] == ArmScore(1, pytest.approx(1 / 62 + 1 / 63, abs=1e-6))


def test_nothing_found_stays_nothing() -> None:
    assert fuse([], "blend") == fuse([], "rrf") == merge([]) == merge([[], []]) == []


def test_copies_of_a_better_passage_come_last_and_are_not_lost() -> None:
    same = [replace(found(name), text=text) for name, text in (("a", "The lamp, lit."), ("bb", "the lamp\nLIT"))]
    assert names(merge([[*same, found("ccc"), found("dddd")]])) == ["a", "ccc", "dddd", "bb"]


LEAVE = (
    "Employees who have worked here for a year may take 28 days of paid leave, which their manager approves first, "
    "and which they may carry over to the following spring if a project kept them from taking it in time."
)


def test_a_slightly_edited_copy_comes_last_but_another_figure_is_another_fact() -> None:
    edited, changed = LEAVE.replace("spring", "summer"), LEAVE.replace("28", "30")
    texts = {"a": LEAVE, "bb": edited, "ccc": changed}
    found_ = [replace(found(name), text=text) for name, text in texts.items()]
    assert names(merge([[*found_, found("dddd")]])) == ["a", "ccc", "dddd", "bb"]


def test_the_same_words_in_another_order_are_no_copy() -> None:
    one, other = (
        replace(found("a"), text="The buyer pays the seller"),
        replace(found("bb"), text="The seller pays the buyer"),
    )
    assert names(merge([[one, other, found("ccc")]])) == ["a", "bb", "ccc"]


def test_a_copy_takes_no_place_among_the_wanted_ones() -> None:
    copies = [replace(found("c" * n), text="The lamp, lit.") for n in range(1, 5)]
    assert names(merge([[*copies, found("other" * 2), found("third" * 3)]], most=2)) == ["c", "otherother"]
    assert len(merge([copies], most=3)) == 3


def test_lists_of_several_embedders_are_merged_by_rank_and_scores_tell_the_place_alone() -> None:
    merged = merge([[found("a"), found("bb")], [found("ccc"), found("dddd"), found("eeeee")]])
    assert names(merged) == ["a", "ccc", "bb", "dddd", "eeeee"]
    assert [p.score for p in merged] == [round(1 / (60 + rank), 6) for rank in range(1, 6)]


def test_a_rank_that_an_arm_gave_to_another_s_find_does_not_count_in_rank_fusion() -> None:
    both, alone = found("both", dense=0.3, sparse=1.0), found("alone", dense=0.9)
    both = replace(both, arms={"dense": ArmScore(60, 0.3), "sparse": ArmScore(2, 1.0)})
    alone = replace(alone, arms={"dense": ArmScore(1, 0.9)})
    assert names(fuse([both, alone], "rrf")) == ["both", "alone"]
    assert names(fuse([both, alone], "rrf", depth=50)) == ["alone", "both"]
