"""A tiny API server over real HTTP: objects in memory, and faulty answers on request."""

import copy
import json
import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import yaml

NAMESPACE = "ns"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


class FakeApi:
    """The server's state; tests change it, and watchers receive the changes."""

    def __init__(self):
        self.objects = {"jobs": {}, "pods": {}, "events": {}, "nodes": {}, "services": {}}
        self.logs = {}
        self.token = "good"  # noqa: S105
        self.nodes_readable = True
        self.seen = []
        self.version = 1
        self.lock = threading.RLock()
        self.silent = False
        """Watches stay open and send nothing."""
        self.held = False
        """Finalizers keep what is deleted."""
        self.second = 1.0
        """How long a second of a watch's time-out lasts."""
        self._watchers = []
        self._faults = []

    def put(self, kind, name, tree):
        """Set an object and tell watchers of Jobs."""
        with self.lock:
            self.version += 1
            known = name in self.objects[kind]
            tree["metadata"] = {
                "name": name,
                "uid": f"uid-{name}",
                **tree.get("metadata", {}),
                "resourceVersion": str(self.version),
            }
            self.objects[kind][name] = tree
            if kind == "jobs":
                self.tell({"type": "MODIFIED" if known else "ADDED", "object": tree})
        return tree

    def delete(self, kind, name):
        if self.held:
            return
        with self.lock:
            tree = self.objects[kind].pop(name)
            if kind == "jobs":
                self.tell({"type": "DELETED", "object": tree})

    def condition(self, name, kind, **more):
        """Set a condition of a Job that is True."""
        tree = copy.deepcopy(self.objects["jobs"][name])
        tree.setdefault("status", {}).setdefault("conditions", []).append(
            {"type": kind, "status": "True", **more}
        )
        self.put("jobs", name, tree)

    def tell(self, event):
        for watcher in [] if self.silent else list(self._watchers):
            watcher.put(event)

    def drop_watches(self):
        """Cut every watch in the middle."""
        self.tell(None)

    @property
    def watching(self):
        return len(self._watchers)

    def fail(self, status, times=1, *, method=None, path="", headers=None, after=False, body=None):
        """Answer the next requests of a kind with an error; ``after``: once they took effect."""
        for _ in range(times):
            self._faults.append((method, path, status, headers or {}, after, body))

    def fault(self, method, path):
        with self.lock:
            for fault in self._faults:
                if fault[0] in (None, method) and fault[1] in path:
                    self._faults.remove(fault)
                    return fault
        return None


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    api: FakeApi

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.begin("GET")

    def do_POST(self):
        self.begin("POST")

    def do_DELETE(self):
        self.begin("DELETE")

    def begin(self, method):
        parts = urlsplit(self.path)
        self.query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        self.body = json.loads(self.rfile.read(length)) if length else None
        api = self.api
        api.seen.append((method, parts.path, self.query))
        if self.headers.get("Authorization") != f"Bearer {api.token}":
            return self.error(401, "Unauthorized")
        fault = api.fault(method, self.path)
        if fault and fault[4]:
            self.act(method, parts.path, quiet=True)
        if fault and fault[2] == 0:  # the connection is cut without an answer
            self.close_connection = True
            return self.connection.close()
        if fault:
            return self.answer(fault[2], fault[5] or {"message": f"injected {fault[2]}"}, fault[3])
        return self.act(method, parts.path)

    def act(self, method, path, quiet=False):
        send = self.heard if quiet else self.answer
        api, segments = self.api, path.strip("/").split("/")
        if path.endswith("/log"):
            return self.stream_lines(api.logs.get(segments[-2], []))
        kind = next(s for s in reversed(segments) if s in api.objects)
        name = segments[-1] if segments[-1] != kind else None
        if kind == "nodes" and not api.nodes_readable:
            return self.error(403, "nodes is forbidden")
        if method != "GET":
            return self.create(kind, send) if method == "POST" else self.remove(kind, name, send)
        if name is None:
            return self.watch() if self.query.get("watch") else self.listed(kind)
        found = api.objects[kind].get(name)
        return send(200, found) if found else self.error(404, f"{name} not found")

    def remove(self, kind, name, send):
        api = self.api
        with api.lock:
            found = api.objects[kind].get(name)
            if not found:
                return self.error(404, "not found")
            uid = found["metadata"]["uid"]
            if (self.body or {}).get("preconditions", {}).get("uid", uid) != uid:
                return self.error(409, "precondition")
            api.delete(kind, name)
            if kind == "jobs":
                for pod in [p for p in api.objects["pods"].values() if owner(p) == uid]:
                    api.delete("pods", pod["metadata"]["name"])
        return send(200, {"status": "Success"})

    def create(self, kind, send):
        api = self.api
        with api.lock:
            name = self.body["metadata"]["name"]
            if name in api.objects[kind]:
                return self.error(409, "already exists")
            tree = copy.deepcopy(self.body)
            tree["metadata"]["uid"] = str(uuid.uuid4())
            made = api.put(kind, name, tree)
        return send(201, made)

    def listed(self, kind):
        api = self.api
        with api.lock:
            items = list(api.objects[kind].values())
            for selector in self.query.get("fieldSelector", "").split(","):
                key, _, value = selector.partition("=")
                if key:
                    items = [i for i in items if str(field(i, key)) == value]
            key, _, value = self.query.get("labelSelector", "").partition("=")
            if key:
                items = [i for i in items if i["metadata"].get("labels", {}).get(key) == value]
            self.answer(200, {"items": items, "metadata": {"resourceVersion": str(api.version)}})

    def watch(self):
        api, events = self.api, queue.Queue()
        with api.lock:
            api._watchers.append(events)
            since = int(self.query["resourceVersion"])
            for tree in api.objects["jobs"].values():
                if int(tree["metadata"]["resourceVersion"]) > since:
                    events.put({"type": "MODIFIED", "object": tree})
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while True:
                event = events.get(timeout=float(self.query["timeoutSeconds"]) * api.second)
                if event is None:
                    self.close_connection = True
                    return self.connection.close()
                self.chunk(json.dumps(event).encode() + b"\n")
        except queue.Empty:
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass
        finally:
            api._watchers.remove(events)
        return None

    def stream_lines(self, lines):
        since = self.query.get("sinceTime", "")
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            if line is None:  # cut here, once
                lines.remove(None)
                self.close_connection = True
                return self.connection.close()
            if line[:19] >= since[:19]:
                self.chunk(line.encode() + b"\n")
        self.wfile.write(b"0\r\n\r\n")
        return None

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def heard(self, status, tree):
        """Execute the request and lose the answer."""

    def error(self, status, message):
        return self.answer(status, {"kind": "Status", "message": message})

    def answer(self, status, tree, headers=None):
        data = json.dumps(tree).encode()
        self.send_response(status)
        for key, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)


def owner(pod):
    return pod["metadata"].get("ownerReferences", [{}])[0].get("uid")


def field(tree, path):
    for key in path.split("."):
        tree = tree.get(key, {})
    return tree


@contextmanager
def serving(folder, monkeypatch) -> Iterator[FakeApi]:
    """A server on a free port, and a kubeconfig in ``KUBECONFIG`` that points to it."""
    api = FakeApi()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"api": api}))
    server.daemon_threads = True
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    write_kubeconfig(folder / "kubeconfig", f"http://127.0.0.1:{server.server_port}", "good")
    monkeypatch.setenv("KUBECONFIG", str(folder / "kubeconfig"))
    try:
        yield api
    finally:
        api.drop_watches()
        server.shutdown()
        server.server_close()
        thread.join()


def write_kubeconfig(path, server, token):
    tree = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(tree))


def until(found: Callable[[], object], timeout=10.0):
    """Poll until the answer is not empty."""
    import time

    end = time.monotonic() + timeout
    while not (what := found()):
        assert time.monotonic() < end, "not seen in time"
        time.sleep(0.01)
    return what
