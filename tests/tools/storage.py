"""A real S3 server and a real HDFS on ports of their own, for as long as a test needs them. Both keep what they are given below a folder of the test's."""
import os
import pathlib
import select
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent


def tools(cache):
    """The folder that storage.sh has made."""
    return pathlib.Path(subprocess.run([HERE / "storage.sh", pathlib.Path(cache) / "amaterasu"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class S3:
    """versitygw; a bucket is a folder, an object a file in it."""

    def __init__(self, cache, folder, user, password):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        marks = self.folder.with_name(f"marks-of-{self.folder.name}")  # not every file system has attributes
        marks.mkdir()
        program = tools(cache) / "bin/versitygw"
        for _ in range(5):  # it can not be given a socket, and a port that was free may be somebody's by now
            self.port = free_port()
            self.process = subprocess.Popen(
                [program, "--port", f"127.0.0.1:{self.port}", "--quiet", "posix", "--sidecar", marks, self.folder], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "ROOT_ACCESS_KEY": user, "ROOT_SECRET_KEY": password})
            deadline = time.monotonic() + 30
            while self.process.poll() is None and time.monotonic() < deadline:
                if answers(self.port):
                    return
                time.sleep(0.02)
            self.close()
        raise AssertionError("versitygw does not serve")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def bucket(self, name):
        (self.folder / name).mkdir()

    def objects(self, bucket):
        at = self.folder / bucket
        return sorted(str(file.relative_to(at)) for file in at.rglob("*") if file.is_file())

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)


class Hdfs:
    """NameNode and DataNode in one JVM."""

    def __init__(self, cache, folder):
        jars = tools(cache) / "hdfs"
        self.said = open(f"{folder}.log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true",
             "--add-opens=java.base/java.lang=ALL-UNNAMED", "-cp", f"{jars}:{jars}/*", HERE / "Hdfs.java", folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, text=True)

    def url(self):
        """When files can be written."""
        if not select.select([self.process.stdout], [], [], 90)[0]:
            self.close()
        line = self.process.stdout.readline().strip()
        if not line.startswith("hdfs://"):
            raise AssertionError("HDFS does not serve: " + pathlib.Path(self.said.name).read_text(encoding="utf-8"))
        return line

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        self.said.close()
