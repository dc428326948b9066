"""A kernel that misbehaves as it is told: fake_kernel.py CONNECTION_FILE [deaf|late|crash|mute|message]. Each line of a statement is a command."""
import json
import os
import signal
import sys
import time

import zmq
from jupyter_client.session import Session

MODE = sys.argv[2] if len(sys.argv) > 2 else ""
if MODE == "crash":
    print("the library it needs is missing", file=sys.stderr)
    sys.exit(3)
with open(sys.argv[1]) as file:
    CONNECTION = json.load(file)

context = zmq.Context()
session = Session(key=CONNECTION["key"].encode())
stranger = Session(key=b"another key")


def bind(kind, name):
    socket = context.socket(kind)
    socket.linger = 1000
    socket.sndhwm = 1000
    ip, port = CONNECTION["ip"], CONNECTION[f"{name}_port"]
    socket.bind(f"ipc://{ip}-{port}" if CONNECTION["transport"] == "ipc" else f"tcp://{ip}:{port}")
    return socket


shell, control, stdin, heart = bind(zmq.ROUTER, "shell"), bind(zmq.ROUTER, "control"), bind(zmq.ROUTER, "stdin"), bind(zmq.REP, "hb")
iopub = None if MODE in ("late", "deaf") else bind(zmq.PUB, "iopub")
state = {"count": 0, "answered": 0}


def say(kind, content, parent, by=session):
    if iopub is not None:
        by.send(iopub, kind, content, parent=parent, ident=kind.encode())


def stream(text, parent, by=session):
    say("stream", {"name": "stdout", "text": text}, parent, by)


def status(word, parent):
    say("status", {"execution_state": word}, parent)


class Failed(Exception):
    pass


def interrupted(*_):
    raise KeyboardInterrupt


signal.signal(signal.SIGINT, signal.SIG_IGN if MODE == "message" else interrupted)


def wait_for_interrupt():
    """By the way of this kernel; the heart goes on beating."""
    while True:
        if MODE == "message" and control.poll(20):
            ident, message = session.recv(control, mode=0)
            if message["header"]["msg_type"] == "interrupt_request":
                session.send(control, "interrupt_reply", {"status": "ok"}, parent=message, ident=ident)
                raise KeyboardInterrupt
        time.sleep(0.01)


def obey(line, message, ident):
    word, _, rest = line.partition(" ")
    parent = message["header"]
    if word == "say":
        stream(rest + "\n", parent)
    elif word == "flood":
        for number in range(int(rest)):
            stream(f"{number} {'x' * 500}\n", parent)
    elif word == "hang":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)
    elif word == "die":
        stream("last words\n", parent)
        time.sleep(0.05)
        os.kill(os.getpid(), int(rest))
    elif word == "exit":
        os._exit(int(rest))
    elif word == "forge":
        stream("FORGED\n", parent, stranger)
    elif word == "foreign":
        stream("FOREIGN\n", stranger.msg_header("execute_request"))
        say("execute_result", {"data": {"text/plain": "FOREIGN"}, "metadata": {}, "execution_count": 1}, {**parent, "msg_id": "another"})
        status("idle", stranger.msg_header("execute_request"))
        status("idle", {**parent, "msg_id": "another"})
        session.send(shell, "execute_reply", {"status": "error", "ename": "FOREIGN", "evalue": ""}, parent={**parent, "msg_id": "another"}, ident=ident)
    elif word == "strange":
        for kind in ("comm_open", "comm_msg", "comm_close", "from_the_future", "clear_output", "execute_input", "debug_event"):
            say(kind, {"comm_id": "c", "data": {}, "wait": False}, parent)
        say("update_display_data", {"data": {"text/plain": "UPDATED"}, "metadata": {}, "transient": {"display_id": "d"}}, parent)
        say("display_data", {"data": 7}, parent)
        say("stream", {"name": 3, "text": []}, parent)
        say("execute_result", {"data": ["text/plain"]}, parent)
        for frames in ([b"x"], [b"<IDS|MSG>"], [b"t", b"<IDS|MSG>", b"", b"{", b"{}", b"{}", b"{}"], [b"z"] * 80):
            iopub.send_multipart(frames)
    elif word == "show":
        say("display_data", {"data": {"text/plain": "<Figure>", "image/png": "aGVsbG8="}, "metadata": {}}, parent)
    elif word == "value":
        say("execute_result", {"data": {"text/plain": rest.replace("^", "\033")}, "metadata": {}, "execution_count": 1}, parent)
    elif word == "huge":
        stream("y" * (17 << 20), parent)
    elif word == "fail":
        raise Failed(rest.replace("^", "\033"))
    elif word == "ask":
        session.send(stdin, "input_request", {"prompt": rest, "password": False}, parent=message, ident=ident)
        time.sleep(60)
    elif word == "wait":
        stream("waiting\n", parent)
        wait_for_interrupt()
    elif word == "nap":         # without a heartbeat, as R's kernel
        time.sleep(float(rest))
    elif word == "beat":        # with one, as long as it lives
        end = time.monotonic() + float(rest)
        while (left := end - time.monotonic()) > 0:
            if heart.poll(left * 1000):
                heart.send(heart.recv())
        obey("hang", message, ident)
    elif word in ("noreply", "noidle", "early"):
        return word
    return ""


def run(ident, message):
    parent, reply, how = message["header"], {"status": "ok"}, set()
    state["count"] += 1
    status("busy", parent)
    try:
        for line in message["content"]["code"].splitlines():
            how.add(obey(line, message, ident))
            if "early" in how:
                how.discard("early")
                how.add("replied")
                session.send(shell, "execute_reply", {**reply, "execution_count": state["count"]}, parent=message, ident=ident)
                time.sleep(0.2)
    except KeyboardInterrupt:
        reply = {"status": "error", "ename": "KeyboardInterrupt", "evalue": "", "traceback": []}
    except Failed as error:
        reply = {"status": "error", "ename": "Failed", "evalue": f"\033[31m{error}\033[0m", "traceback": ["\033[1mat\033[0m line 2", "more"]}
    if "noreply" not in how and "replied" not in how:
        session.send(shell, "execute_reply", {**reply, "execution_count": state["count"]}, parent=message, ident=ident)
    if "noidle" not in how:
        status("idle", parent)


def on_shell():
    global iopub
    ident, message = session.recv(shell, mode=0)
    if message["header"]["msg_type"] == "execute_request":
        run(ident, message)
        return
    if MODE == "mute":
        return
    status("busy", message["header"])
    session.send(shell, "kernel_info_reply", {"status": "ok", "protocol_version": "5.3", "implementation": "fake", "implementation_version": "1",
                                              "language_info": {"name": "fake"}, "banner": ""}, parent=message, ident=ident)
    status("idle", message["header"])
    state["answered"] += 1
    if MODE == "late" and state["answered"] == 5:
        iopub = bind(zmq.PUB, "iopub")


def main():
    poller = zmq.Poller()
    for socket in (shell, control, heart):
        poller.register(socket, zmq.POLLIN)
    while True:
        ready = dict(poller.poll())
        if heart in ready:
            heart.send(heart.recv())
        if control in ready:
            ident, message = session.recv(control, mode=0)
            if message["header"]["msg_type"] == "shutdown_request":
                session.send(control, "shutdown_reply", {"status": "ok", "restart": False}, parent=message, ident=ident)
                return
        if shell in ready:
            try:
                on_shell()
            except KeyboardInterrupt:
                pass


main()
