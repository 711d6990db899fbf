"""The API server's parts that only read and spell: selectors, paths, forms, ages, tables, chunks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from labctl.api import accept, paths
from labctl.api.chunks import Chunks
from labctl.api.durations import spell_age, spell_duration, spell_time
from labctl.api.kinds import KINDS
from labctl.api.kinds.endpoints import SLICES
from labctl.api.kinds.pods import PODS
from labctl.api.paths import Asked
from labctl.api.query import Selection, read_parameters, read_query
from labctl.api.selectors import parse_fields, parse_labels
from labctl.api.status import Refusal, method_not_allowed, not_found
from labctl.api.table import as_table
from labctl.api.view import View
from labctl.engine.journal import Event
from labctl.world.topology import read_lab, spread

LABELS = {"app": "web", "tier": "back", "level": "7", "a.b/c": "x", "empty": ""}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("app=web", True),
        ("app==web", True),
        (" app = web ", True),
        ("app=shop", False),
        ("app!=shop", True),
        ("app!=web", False),
        ("nothing!=web", True),
        ("app", True),
        ("!app", False),
        ("! nothing", True),
        ("nothing", False),
        ("app in (web,shop)", True),
        ("app in (shop)", False),
        ("app notin (shop, web)", False),
        ("nothing notin (x)", True),
        ("app in (,web)", True),
        ("empty=", True),
        ("empty in ()", True),
        ("app=,tier=back", False),
        ("app=web,tier=back,a.b/c=x", True),
        ("level>6", True),
        ("level > 7", False),
        ("level<8,app", True),
        ("app>1", False),
        ("in=notin", False),
    ],
)
def test_label_selectors_hold_or_not(text: str, holds: bool) -> None:  # noqa: FBT001 (a column of the table)
    assert all(each.holds(LABELS) for each in parse_labels(text)) is holds


@pytest.mark.parametrize(
    "text",
    [
        ",", "app=web,", ",app", "app=web tier", "=web", "app in web", "app in (web", "app in web)", "app=(web)",
        "(app)", "-app=web", "app=-web", "a/b/c=x", "app>x", "app>", "!", "app notin", "A_" + "b" * 64, "app!web",
        "app=ü", "ä=b", "x" * 5000, "app=a=b", "app===b",
    ],
)  # fmt: skip  # a table
def test_a_label_selector_that_is_not_well_formed_is_said_to_be(text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_labels(text)
    assert (refusal.value.code, refusal.value.reason) == (400, "BadRequest")


FIELDS = {"metadata.name": "a", "status.phase": "Running", "odd": "x,y=\\z"}
KNOWN = frozenset(FIELDS)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("metadata.name=a", True),
        ("metadata.name==a,status.phase!=Failed", True),
        ("metadata.name!=a", False),
        ("metadata.name=", False),
        (r"odd=x\,y\=\\z", True),
        (",metadata.name=a,", True),
    ],
)
def test_field_selectors_hold_or_not(text: str, holds: bool) -> None:  # noqa: FBT001 (a column of the table)
    assert all(each.holds(FIELDS) for each in parse_fields(text, KNOWN)) is holds


@pytest.mark.parametrize("text", ["spec.x=1", "metadata.name", "=a", r"odd=\z", "odd=a=b", "\\", "odd=x\\", "y" * 5000])
def test_a_field_selector_that_is_not_well_formed_is_said_to_be(text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_fields(text, KNOWN)
    assert refusal.value.code == 400


def test_every_field_that_may_be_selected_by_is_one_that_objects_have_or_may_have() -> None:
    for kind in KINDS:
        assert {"metadata.name", "metadata.namespace"} <= kind.selectable


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (59.9, "59s"), (119, "119s"), (120, "2m"), (150, "2m30s"),
        (599, "9m59s"), (600, "10m"), (10799, "179m"), (10800, "3h"), (11100, "3h5m"), (28800, "8h"),
        (172799, "47h"), (172800, "2d"), (187200, "2d4h"), (691200, "8d"), (63071999, "729d"), (63072000, "2y"),
        (63158400, "2y1d"), (252288000, "8y"),
    ],
)  # fmt: skip  # a table; the words are those of HumanDuration's own test
def test_ages_are_said_as_kubectl_says_them(seconds: float, said: str) -> None:
    assert spell_duration(seconds) == said


def test_an_age_that_nobody_knows_is_said_to_be_unknown() -> None:
    assert spell_age(None, 100.0) == "<unknown>"
    assert spell_age(40.0, 100.0) == "60s"
    assert spell_time(None) is None
    assert spell_time(1_700_000_000.9) == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("raw", "asked"),
    [
        (b"/api/v1/pods", Asked(PODS)),
        (b"/api/v1/pods/", Asked(PODS)),
        (b"/api/v1/namespaces/mystuff/pods", Asked(PODS, "mystuff")),
        (b"/api/v1/namespaces/default/pods/my-pod", Asked(PODS, "default", "my-pod")),
        (b"/api/v1/namespaces/default/pods/my%2Dpod", Asked(PODS, "default", "my-pod")),
        (b"/api/v1/namespaces/default/pods/a/log", Asked(PODS, "default", "a", ("log",))),
        (b"/apis/discovery.k8s.io/v1/endpointslices", Asked(SLICES)),
        (b"/api/v1/pods/a", None),
        (b"/api/v2/pods", None),
        (b"/api/v1/endpointslices", None),
        (b"/apis//v1/pods", None),
        (b"/api/v1/namespaces//pods", None),
        (b"/api/v1/namespaces/default/nodes", Asked(KINDS[2], "", "default", ("nodes",))),
        (b"/", None),
        (b"//", None),
    ],
)
def test_paths_name_objects(raw: bytes, asked: Asked | None) -> None:
    assert paths.find(paths.segments(raw), KINDS) == asked


def test_a_segment_that_decodes_to_a_path_stays_one_name() -> None:
    asked = paths.find(paths.segments(b"/api/v1/namespaces/default/pods/..%2F..%2Fetc%2Fpasswd"), KINDS)
    assert asked is not None
    assert asked.name == "../../etc/passwd"


@pytest.mark.parametrize("raw", [b"", b"*", b"http://example.com/api", b"/%ff", b"/" + b"a" * 4096])
def test_what_is_no_path_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        paths.segments(raw)
    assert refusal.value.code == 400


ALL = frozenset({accept.OBJECT, accept.TABLE, accept.METADATA, accept.DISCOVERY})
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("", accept.OBJECT),
        ("*/*", accept.OBJECT),
        ("application/json", accept.OBJECT),
        (f"{TABLE},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", accept.TABLE),
        (f"application/json;q=0.5,{TABLE};q=0.4", accept.OBJECT),
        (f"{TABLE};q=0,application/json", accept.OBJECT),
        ("application/vnd.kubernetes.protobuf,application/json", accept.OBJECT),
        ("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", accept.METADATA),
        ("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", accept.DISCOVERY),
        ("application/json;as=Table;v=v9;g=meta.k8s.io, */*;q=0.1", accept.OBJECT),
    ],
)
def test_the_form_that_is_liked_best_is_chosen(header: str, form: str) -> None:
    assert accept.choose(header, ALL) == form


@pytest.mark.parametrize(
    "header", ["text/html", "application/yaml", f"{TABLE};q=0", ";;", "application/json;as=Nothing"]
)
def test_a_form_that_is_not_there_is_refused(header: str) -> None:
    with pytest.raises(Refusal) as refusal:
        accept.choose(header, ALL)
    assert (refusal.value.code, refusal.value.reason) == (406, "NotAcceptable")


@pytest.mark.parametrize(
    "told",
    [
        {"limit": "-1"},
        {"limit": "x"},
        {"limit": "9" * 30},
        {"resourceVersion": "new"},
        {"timeoutSeconds": "1.5"},
        {"watch": "maybe"},
        {"includeObject": "All"},
        {"labelSelector": "="},
        {"fieldSelector": "status.colour=red"},
    ],
)
def test_a_parameter_that_cannot_be_read_is_refused(told: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refusal:
        read_query(told, PODS, "", "")
    assert refusal.value.code == 400


def test_what_is_not_there_is_said_in_the_words_of_the_api_server() -> None:
    with pytest.raises(Refusal) as refusal:
        read_query({"sendInitialEvents": "true", "watch": "1"}, PODS, "", "")
    assert refusal.value.code == 422
    assert not_found("pods", "", "x").as_json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'pods "x" not found',
        "reason": "NotFound",
        "details": {"name": "x", "kind": "pods"},
        "code": 404,
    }
    assert not_found("endpointslices", "discovery.k8s.io", "x").message == (
        'endpointslices.discovery.k8s.io "x" not found'
    )
    assert method_not_allowed("delete", "pods", "").message == 'delete is not supported on resources of kind "pods"'


def test_parameters_are_read_once_and_bounded() -> None:
    assert read_parameters(b"limit=1&limit=2&watch=&x=%C3%A4") == {"limit": "1", "watch": "", "x": "ä"}
    for raw in (b"x=%ff", b"&".join([b"a=b"] * 100), b"x" * 20000, "ä=1".encode()):
        with pytest.raises(Refusal):
            read_parameters(raw)


def _objects(names: str) -> tuple[dict[str, Any], ...]:
    return tuple({"metadata": {"name": name, "namespace": "default", "resourceVersion": "1"}} for name in names)


def test_a_list_goes_on_where_it_stopped_and_only_for_whom_it_began() -> None:
    chunks, selection = Chunks(), Selection("default")
    first = chunks.begin(PODS, selection, _objects("abcde"), 7, 2)
    assert ([each["metadata"]["name"] for each in first.objects], first.remaining) == (["a", "b"], 3)
    second = chunks.go_on(PODS, selection, first.token, 2)
    assert ([each["metadata"]["name"] for each in second.objects], second.version) == (["c", "d"], 7)
    assert chunks.go_on(PODS, selection, first.token, 2).objects == second.objects
    last = chunks.go_on(PODS, selection, second.token, 2)
    assert (len(last.objects), last.token) == (1, "")
    for kind, other, token in (
        (SLICES, selection, first.token),
        (PODS, Selection(), first.token),
        (PODS, selection, "?"),
    ):
        with pytest.raises(Refusal) as refusal:
            chunks.go_on(kind, other, token, 2)
        assert (refusal.value.code, refusal.value.reason) == (410, "Expired")


def test_a_list_that_waited_for_too_long_is_gone() -> None:
    chunks = Chunks()
    first = chunks.begin(PODS, Selection(), _objects("ab"), 7, 1)
    for _ in range(64):
        chunks.begin(PODS, Selection(), _objects("ab"), 7, 1)
    with pytest.raises(Refusal, match="too old"):
        chunks.go_on(PODS, Selection(), first.token, 1)


class _Kernel:
    """What a view of nothing asks: no place stands."""

    def standings(self, places: list[object]) -> tuple[None, ...]:
        return (None,) * len(places)

    def files(self, _node: str) -> SimpleNamespace:
        return SimpleNamespace(names=lambda _path: ())

    def refresh(self) -> None:
        pass


def test_where_nothing_stands_nothing_is_shown_and_what_was_done_to_it_neither() -> None:
    entry = Event("2999-01-01T00:00:00.000+00:00", "w", "did", None, "", "create veth:master/a")
    kernel: Any = _Kernel()
    view = View(kernel, read_lab(spread(None, None)), "w", 0.0, lambda: (entry,))
    for kind in KINDS:
        found = kind.find(view)
        assert [each["metadata"]["name"] for each in found] == (
            ["default", "kube-system"] if kind.plural == "namespaces" else []
        )
        table = as_table(kind, found, {}, 0.0, "Metadata")
        assert all(len(row["cells"]) == len(table["columnDefinitions"]) for row in table["rows"])
