"""Drives Debian's headless Chromium through the DevTools protocol.

Over a pipe, so that it takes neither a driver nor a package.
"""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE = 60


class Browser:
    """One browser with one page.

    Args:
        arguments: More arguments of the command line.
        width: Of the window, in CSS pixels.
        height: Of the window.
    """

    def __init__(self, *arguments, width=1000, height=900):
        self._numbers = itertools.count(1)
        self._unread = b""
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        command = [
            *("chromium", "--headless=new", "--no-sandbox", "--disable-gpu"),
            *("--disable-dev-shm-usage", "--remote-debugging-pipe"),
            *("--no-first-run", "--force-color-profile=srgb"),
            f"--user-data-dir={self._profile.name}",
            f"--window-size={width},{height}",
            *arguments,
            "about:blank",
        ]
        # The protocol is spoken on the file descriptors 3 and 4, which those
        # that are given must not be.
        to_read, to_write = map(_moved_up, (to_read, to_write))
        script = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._session = None
        targets = self.call("Target.getTargets")["targetInfos"]
        [page] = [each for each in targets if each["type"] == "page"]
        self._session = self.call(
            "Target.attachToTarget", targetId=page["targetId"], flatten=True
        )["sessionId"]
        self.call("Page.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self._session = None
            self.call("Browser.close")
        os.close(self._write)
        os.close(self._read)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._profile.cleanup()

    def call(self, method, **parameters):
        """Returns the result of a method of the protocol."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                break
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _next(self):
        while b"\0" not in self._unread:
            if not select.select([self._read], [], [], PATIENCE)[0]:
                raise TimeoutError("the browser says nothing")
            part = os.read(self._read, 1 << 20)
            if not part:
                raise ConnectionError("the browser has ended")
            self._unread += part
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def run(self, expression):
        """Returns the value of JavaScript, awaited."""
        found = self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def wait(self, expression, seconds=PATIENCE):
        """Returns the first value of JavaScript that is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.run(expression)
            if value:
                return value
            time.sleep(0.05)
        shown = self.run("document.body.innerText")
        raise TimeoutError(f"{expression} stays untrue. The page:\n{shown}")

    def open(self, address):
        """Opens an address, and waits until the page says what it is."""
        self.call("Page.navigate", url=address)
        self.wait(
            "document.readyState === 'complete' && "
            "/^(Ready|Not ready)$/.test(answer.textContent) && "
            "answer.textContent"
        )

    def choose(self, *files):
        """Chooses files, and waits for the answers."""
        self.run("answer.textContent = ''")
        self.call("DOM.enable")
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector="#files")
        self.call(
            "DOM.setFileInputFiles",
            files=[str(file) for file in files],
            nodeId=node["nodeId"],
        )
        # It is emptied when all have been looked at.
        self.wait("answer.textContent && !files.value")

    def classes(self):
        """Returns what is shown as pairs of a class and its score."""
        return [
            tuple(pair)
            for pair in self.run(
                "[...document.querySelectorAll('#classes li')].map((each) => "
                "[each.firstChild.textContent, Number(each.dataset.score)])"
            )
        ]

    def problem(self):
        """Returns the complaint that is shown, "" if there is none."""
        return self.run("problem.hidden ? '' : problem.textContent")

    def picture(self, path):
        """Saves the whole page as a PNG file."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))

    def show_as(self, width, height, dark=False, mobile=False):
        """Sets the size of the window and the colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )
        feature = {
            "name": "prefers-color-scheme",
            "value": "dark" if dark else "light",
        }
        self.call("Emulation.setEmulatedMedia", features=[feature])


def _moved_up(descriptor):
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)
    os.close(descriptor)
    return moved


def missing():
    """Why no browser can be driven here, or `None`."""
    for program in ("chromium", "bash"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None
