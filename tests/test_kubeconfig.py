"""The editor of kubeconfigs: what it keeps, and what it refuses. The oracle is in test_kubeconfig_oracle.py."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.model.kubeconfig import ADMIN, CLUSTERS, CONTEXTS, CURRENT, LAB, LAB_PROXY, USERS
from labctl.resources.kubeconfig.document import KINDS, Document, NoKubeconfigError

BY_HAND = """\
# mine
kind: Config
apiVersion: v1
future: {of: kubectl}    # not known yet
clusters:
  # at work
  - name: work
    cluster: {server: 'https://work:6443', shape: round}
contexts:
  - name: "work"   # every day
    context: {cluster: work, user: me, colors: [a, b]}
current-context: 'work'
users: [{name: me, user: {token: secret}}]
"""
NOT_OURS = dict.fromkeys(KINDS, ())


def test_what_it_does_not_know_and_comments_stay() -> None:
    document = Document(BY_HAND)
    document.put("context", "work", {"namespace": "mystuff"})
    document.put("cluster", "lab", {"server": LAB.server})
    document.put("user", ADMIN.name, {"token": ADMIN.token})
    document.use("lab")
    text = document.text()
    for kept in ("# mine", "future: {of: kubectl}    # not known yet", "# at work", "# every day", "shape: round"):
        assert kept in text
    again = Document(text)
    assert again.find("context", "work") == {
        "cluster": "work",
        "user": "me",
        "colors": ["a", "b"],
        "namespace": "mystuff",
    }
    assert again.names("cluster") == ("lab", "work")
    assert again.current == "lab"
    assert set(again.strangers(NOT_OURS)) == {
        "cluster lab",
        "cluster work",
        "user me",
        f"user {ADMIN.name}",
        "context work",
        "future",
    }


def test_what_is_added_and_dropped_again_leaves_no_trace_in_the_rest() -> None:
    document = Document(BY_HAND)
    before = document.text()
    document.put("cluster", "zed", {"server": "x"})
    document.put("context", "zed", {})
    assert document.drop("cluster", "zed")
    assert document.drop("context", "zed")
    assert not document.drop("context", "zed")
    assert document.text() == before


def test_comments_alone_are_a_kubeconfig_with_nothing_in_it() -> None:
    document = Document("# to do\n")
    assert document.text() == "# to do\n"
    document.use("a")
    assert document.text().startswith("# to do\napiVersion: v1\nclusters: null\n")
    assert Document("").text() == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: {", "is not YAML: "),
        ("a: 1\na: 2\n", "is not YAML: "),
        ("a: 1\n---\nb: 2\n", "is not YAML: "),
        ("\tx", "is not YAML: "),
        ("[" * 60_000, "is not YAML: "),
        ("- " * 30_000, "is not YAML: "),
        ("a: !!bool maybe", "is not YAML: "),
        ("a: !!int ''", "is not YAML: "),
        ("a: !!set 3", "is not YAML: "),
        ("clusters:\n? cluster:\n    server: x\n  name: a\n", "is not YAML: "),
        ("- a", "is no kubeconfig: it is a list, not a map"),
        ("words", "is no kubeconfig: it is a text, not a map"),
        ("apiVersion: v2", "is no kubeconfig: its apiVersion is v2; expected v1"),
        ("kind: [Config]", "is no kubeconfig: its kind is "),
        ("users: {}", "is no kubeconfig: its users are no list"),
        ("users: [a]", "is no kubeconfig: a user in it has no name"),
        ("users: [{name: 1}]", "is no kubeconfig: a user in it has no name"),
        ("users: [{name: a, user: b}]", "is no kubeconfig: its user a is no map"),
        ("users: [{name: a}, {name: a}]", "is no kubeconfig: two users in it are called a"),
        ("current-context: 7", "is no kubeconfig: its current-context is no name"),
        ("clusters: [{name: a, cluster: &x {server: y}}, {name: b, cluster: *x}]", "shares parts by YAML anchors"),
        ("a: \ufffd", "is not UTF-8 text"),
    ],
)
def test_what_is_no_kubeconfig_is_refused_with_why(text: str, why: str) -> None:
    with pytest.raises(NoKubeconfigError) as refusal:
        Document(text)
    assert str(refusal.value).startswith(why)
    assert "\n" not in str(refusal.value)


_PIECES = st.sampled_from(
    ("- ", "\n", "  ", ": ", "{", "}", "[", "]", "&a ", "*a ", "!!int ", "!x ", "|", ">", "%YAML 1.1\n", "---\n", '"',
     "'", "#", "\t", "? ", "<<: ", "null", "2020-13-45", "0x", "1e999", "\x00", "\x85", "é", "\ufeff", "\r", "~", "@",
     "users", "clusters", "contexts", "current-context", "name", "cluster", "user", "lab", "apiVersion", "kind")
)  # fmt: skip  # a list to read


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(_PIECES, max_size=12), st.integers(0, len(BY_HAND)))
def test_any_text_is_read_or_refused_and_what_is_read_can_be_edited(pieces: list[str], place: int) -> None:
    try:
        document = Document(BY_HAND[:place] + "".join(pieces) + BY_HAND[place:])
    except NoKubeconfigError:
        return
    for cluster in CLUSTERS:
        document.put("cluster", cluster.name, {"server": cluster.server})
    document.use(CURRENT.name)
    again = Document(document.text())
    assert again.current == CURRENT.name
    assert (again.find("cluster", LAB_PROXY.name) or {})["server"] == LAB_PROXY.server


def test_the_names_in_the_kubeconfig_fit_each_other() -> None:
    clusters, users = {each.name for each in CLUSTERS}, {each.name for each in USERS}
    assert {each.cluster for each in CONTEXTS} == clusters
    assert {each.user for each in CONTEXTS} == {*users, ""}
    assert {each.namespace for each in CONTEXTS} == {"default", "mystuff"}
    assert CURRENT in CONTEXTS
    # kubectl sends a token over TLS only: who is to be known by one needs an https server.
    servers = {each.name: each.server for each in CLUSTERS}
    assert all(servers[each.cluster].startswith("https:") for each in CONTEXTS if each.user)
