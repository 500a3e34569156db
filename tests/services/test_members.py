"""What lies in archives and mails becomes documents that follow the one they came in."""

from typing import Any

import pytest

from moat.errors import Unavailable
from tests.fakes.api import Api
from tests.fakes.documents import eml, zipped
from workers import members

LUNCH = "Lunch is served at noon in the canteen.\n"
BIKES = "Bicycles are repaired on the first Monday.\n"


def listed(api: Api, client: Any = None) -> dict[str, dict[str, Any]]:
    page = (client or api.admin).get("/v1/corpora/default/documents", params={"limit": 500})
    assert page.status_code == 200, page.text
    return {document["key"]: document for document in page.json()["items"]}


def add(api: Api, name: str, content: bytes, **fields: Any) -> str:
    id_ = api.add(name, content, **fields)
    api.work()  # the children
    api.work()  # theirs
    return id_


def test_members_become_documents_with_their_path_access_and_metadata(api: Api) -> None:
    parent = add(
        api,
        "hr.zip",
        zipped({"food/lunch.txt": LUNCH, "bikes.md": BIKES, "__MACOSX/._bikes.md": b"\0"}),
        access="staff",
        metadata='{"team": "hr"}',
    )
    found = listed(api)
    assert set(found) == {"hr.zip", "hr.zip!/food/lunch.txt", "hr.zip!/bikes.md"}
    child = found["hr.zip!/food/lunch.txt"]
    assert (child["parent_id"], child["name"], child["state"]) == (parent, "lunch.txt", "ready")
    assert (child["access"], child["metadata"]) == (["staff"], {"team": "hr"})
    assert found["hr.zip"]["parent_id"] is None
    assert set(listed(api, api.person("ann", "staff"))) == set(found)
    assert listed(api, api.person("bob")) == {}
    answer = api.admin.post("/v1/search", json={"question": "When is lunch served in the canteen?"}).json()
    assert answer["passages"][0]["key"] == "hr.zip!/food/lunch.txt"


def test_attachments_become_documents(api: Api) -> None:
    add(api, "note.eml", eml({"lunch.txt": LUNCH, "../../etc/bikes.md": BIKES}))
    found = listed(api)
    assert set(found) == {"note.eml", "note.eml!/lunch.txt", "note.eml!/bikes.md"}
    assert {document["state"] for document in found.values()} == {"ready"}


def test_what_cannot_be_a_document_is_named_and_the_rest_goes_on(api: Api) -> None:
    members = {"a.txt": LUNCH, "tool.exe": b"MZ" + bytes(range(256)) * 8, "../up.txt": BIKES, "empty.txt": b""}
    add(api, "mixed.zip", zipped(members))
    found = listed(api)
    assert set(found) == {"mixed.zip", "mixed.zip!/a.txt"}
    assert found["mixed.zip"]["state"] == "ready"
    warnings = " ".join(found["mixed.zip"]["warnings"])
    assert len(found["mixed.zip"]["warnings"]) == 3
    for name in ("tool.exe", "up.txt", "empty.txt"):
        assert name in warnings


def test_archives_in_archives_are_opened_to_the_depth_that_is_set(api: Api) -> None:
    deepest = zipped({"deep.txt": LUNCH})
    add(api, "a.zip", zipped({"b.zip": zipped({"c.zip": deepest, "b.txt": BIKES})}))
    found = listed(api)
    assert set(found) == {"a.zip", "a.zip!/b.zip", "a.zip!/b.zip!/b.txt", "a.zip!/b.zip!/c.zip"}
    assert "2 deep" in found["a.zip!/b.zip!/c.zip"]["warnings"][0]


def test_a_new_version_replaces_changed_members_and_forgets_what_is_gone(api: Api) -> None:
    add(api, "hr.zip", zipped({"same.txt": LUNCH, "changed.txt": BIKES, "gone.txt": "The roof leaks.\n"}))
    before = listed(api)
    add(api, "hr.zip", zipped({"same.txt": LUNCH, "changed.txt": "Bicycles are sold.\n", "new.txt": "Hello.\n"}))
    after = listed(api)
    assert set(after) == {"hr.zip", *(f"hr.zip!/{name}.txt" for name in ("same", "changed", "new"))}
    assert {key: after[key]["version"] for key in after} == {
        "hr.zip": 2,
        "hr.zip!/same.txt": 1,
        "hr.zip!/changed.txt": 2,
        "hr.zip!/new.txt": 1,
    }
    for key in ("hr.zip!/same.txt", "hr.zip!/changed.txt"):
        assert after[key]["id"] == before[key]["id"]
        assert after[key]["serving_version"] == after[key]["version"]


def test_children_go_with_their_parent(api: Api) -> None:
    parent = add(api, "a.zip", zipped({"b.zip": zipped({"b.txt": BIKES}), "a.txt": LUNCH}))
    assert len(listed(api)) == 4
    assert api.admin.delete(f"/v1/documents/{parent}").status_code == 202
    api.work()
    assert listed(api) == {}
    assert api.files("originals") == api.files("texts") == []


def test_access_of_the_parent_is_access_of_the_children(api: Api) -> None:
    parent = add(api, "a.zip", zipped({"b.zip": zipped({"b.txt": BIKES}), "a.txt": LUNCH}), access="staff")
    ann, bob = api.person("ann", "staff"), api.person("bob", "board")
    assert len(listed(api, ann)) == 4
    assert api.admin.put(f"/v1/documents/{parent}/access", json={"access": ["board"]}).status_code == 200
    assert listed(api, ann) == {}
    assert len(listed(api, bob)) == 4
    api.work()
    passages = bob.post("/v1/search", json={"question": "When is lunch served?"}).json()["passages"]
    assert "a.zip!/a.txt" in {passage["key"] for passage in passages}


def test_old_members_are_shown_only_to_those_who_may_read_both_versions(api: Api) -> None:
    add(api, "a.zip", zipped({"a.txt": LUNCH}), access="staff")
    ann, bob = api.person("ann", "staff"), api.person("bob", "board")
    assert api.upload("a.zip", zipped({"a.txt": BIKES}), access="board").status_code == 202
    assert listed(api, ann) == listed(api, bob) == {}
    api.work()  # the parent serves; its member waits
    assert set(listed(api, bob)) == {"a.zip"}
    api.work()
    assert listed(api, bob)["a.zip!/a.txt"]["serving_version"] == 2
    assert listed(api, ann) == {}


@pytest.mark.parametrize("limit", [{"max_members": 2}, {"max_unpacked_bytes": 60}], ids=["members", "bytes"])
def test_an_archive_over_a_limit_fails_with_the_setting_to_raise(tmp_path: Any, limit: dict[str, int]) -> None:
    api = Api(tmp_path, upload=limit)
    add(api, "big.zip", zipped({f"{n}.txt": LUNCH for n in range(3)}))
    shown = listed(api)["big.zip"]
    assert shown["state"] == "failed"
    assert f"MOAT_UPLOAD__{next(iter(limit)).upper()}" in shown["hint"]
    api.close()


def test_unpacking_that_broke_off_is_done_again_without_a_second_version(tmp_path: Any, monkeypatch: Any) -> None:
    api = Api(tmp_path, worker={"retry_base_s": 0.001})
    conclude, faults = members._conclude, [Unavailable("The catalog is away.")]

    def broken(*args: Any) -> None:
        if faults:
            raise faults.pop()
        conclude(*args)

    monkeypatch.setattr(members, "_conclude", broken)
    add(api, "a.zip", zipped({"a.txt": LUNCH, "b.txt": BIKES}))
    assert faults == []
    found = listed(api)
    assert {key: (document["version"], document["state"]) for key, document in found.items()} == {
        "a.zip": (1, "ready"),
        "a.zip!/a.txt": (1, "ready"),
        "a.zip!/b.txt": (1, "ready"),
    }
    api.close()
