"""A kernel of a Jupyter server, as a browser talks to it: all its channels over one websocket, messages as JSON. Needs websocket-client."""
import json
import uuid

import websocket


class Done:
    """What came of one execute_request."""

    def __init__(self, reply, heard):
        self.reply, self.heard = reply, heard

    @property
    def value(self):
        return "".join(m["content"]["data"]["text/plain"] for m in self.heard if m["msg_type"] == "execute_result")

    @property
    def text(self):
        return "".join(m["content"]["text"] for m in self.heard if m["msg_type"] == "stream")


class Channel:
    def __init__(self, url, kernel, token, timeout=60):
        self.session, self.kept, self.input = uuid.uuid4().hex, {}, None
        self.socket = websocket.create_connection(f"{url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?session_id={self.session}",
                                                  header=[f"Authorization: token {token}"], timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.socket.close()

    def send(self, kind, channel="shell", parent=None, **content):
        if kind == "execute_request":
            content = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True, **content}
        header = {"msg_id": uuid.uuid4().hex, "username": "test", "session": self.session, "msg_type": kind, "version": "5.3", "date": "2026-01-01T00:00:00Z"}
        self.socket.send(json.dumps({"channel": channel, "header": header, "parent_header": parent or {}, "metadata": {}, "content": content, "buffers": []}))
        return header["msg_id"]

    def hear(self):
        message = json.loads(self.socket.recv())
        message["msg_type"] = message["header"]["msg_type"]
        if message["msg_type"] == "input_request":
            self.input = message
        self.kept.setdefault(message["parent_header"].get("msg_id"), []).append(message)

    def wait(self, ident, *kinds):
        """The first message of one of these kinds about a request."""
        while True:
            for message in self.kept.get(ident, []):
                if message["msg_type"] in kinds:
                    return message
            self.hear()

    def answer_input(self, value):
        while not self.input:
            self.hear()
        self.send("input_reply", "stdin", self.input["header"], value=value)
        self.input = None

    def finish(self, ident):
        reply = self.wait(ident, "execute_reply")
        while not any(m["msg_type"] == "status" and m["content"]["execution_state"] == "idle" for m in self.kept[ident]):
            self.hear()
        return Done(reply["content"], self.kept[ident])

    def execute(self, code):
        return self.finish(self.send("execute_request", code=code))

    def request(self, kind, **content):
        return self.wait(self.send(kind, **content), kind.replace("_request", "_reply"))["content"]
