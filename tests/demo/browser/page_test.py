"""The emulator's page in a headless Chromium, as a person uses it: open it, run the demo, see the row and the thief, arm a
fault with a click, see the retry. And what a page of somebody else's can do with the emulator: nothing.

usage: page_test.py --demo mtlspop-demo --sample keyvault_secret [--pictures FOLDER]
"""

import argparse
import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request

sys.dont_write_bytecode = True  # Nothing of a run stays in the sources.

import web_driver  # noqa: E402

EVIL = "<img/src=x/onerror=document.title='owned'><script>document.title='owned'</script>"


class Demo:
    """The demo program, which waits for somebody who watches."""

    def __init__(self, program):
        self._process = subprocess.Popen([program, "--watch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.output = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def read_until(self, pattern):
        for line in self._process.stdout:
            self.output += line
            found = re.search(pattern, line)
            if found:
                return found
        raise AssertionError(f"the demo ended before it said {pattern}:\n{self.output}")

    def press_enter(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()


class Emulator:
    """Its control calls, as a test without a browser makes them."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def call(self, method, target, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + target, data, method=method)
        with web_driver.OPENER.open(request, timeout=10) as answer:
            return json.load(answer)

    def environment(self):
        startup = self.call("GET", "/emulator/startup")
        overrides = ",".join(f"{key}={value}" for key, value in startup["connect"].items())
        return dict(
            os.environ, AZURE_POD_IDENTITY_AUTHORITY_HOST=startup["imds"], MTLSPOP_CA_FILE=startup["ca_file"],
            MTLSPOP_CONNECT_OVERRIDES=overrides, NO_PROXY="*", no_proxy="*")

    def raw(self, method, path):
        """A request with a path that no client library would send."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=10)
        connection.putrequest(method, path, skip_accept_encoding=True)
        connection.putheader("Metadata", "true")
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
        return status


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def cells(browser, selector):
    """For each row that the selector names: its cells' texts, and the certificates of its chips with their colours."""
    return browser.script("""
      return [...document.querySelectorAll(arguments[0])].map(row => ({
        classes: row.className, service: row.dataset.service, status: row.dataset.status,
        text: row.innerText, note: row.querySelector('.notes').innerText,
        relation: (row.querySelector('.relation') || {}).textContent,
        background: getComputedStyle(row).backgroundColor,
        chips: [...row.querySelectorAll('.chip')].map(c => [c.dataset.x5t || '', getComputedStyle(c).backgroundColor])}))""",
                          selector)


def see_the_demo(browser, demo):
    browser.wait_for("the page is live", lambda: browser.text("#state") == ["live"])
    check("Nothing has come yet" in browser.text("#road")[0], "a fresh emulator's page says that nothing has come")
    check("emulated-vm" in browser.text("#identities")[0], "identities are named")
    demo.press_enter()
    served = browser.wait_for("the secret's row", lambda: cells(browser, "tr[data-service=vault][data-status='200']"))[0]
    token, certificate = served["chips"]
    check(token[0] and token == certificate, f"token and certificate side by side, in one colour: {served}")
    check(served["relation"] == "=" and "/secrets/boundsecret" in served["text"], f"{served}")
    check("emulated-vm" in served["text"], f"whose request it is: {served}")


def see_the_thief(browser, demo):
    demo.read_until(r"\(Enter\)")
    browser.wait_for("both tries of the thief", lambda: browser.text("#theft-count") == ["2"])
    disguised, bare = cells(browser, "tr.theft")
    check("without its certificate" in bare["note"] and bare["chips"][1][0] == "", f"{bare}")
    check("mismatch" in disguised["note"] and disguised["relation"] == "≠", f"{disguised}")
    (token, own), (other, others) = disguised["chips"]
    check(token != other and own != others, f"two certificates have two colours: {disguised}")
    red, green, blue = map(int, re.findall(r"\d+", disguised["background"])[:3])
    check(red > green and red > blue, f"a mismatch is red: {disguised['background']}")
    check("user-1" in browser.text("#identities")[0], "the other identity is there")


def see_a_retry(browser, emulator, sample):
    browser.click("button[data-action=sts-503]")
    browser.wait_for("the armed fault", lambda: "next call" in "".join(browser.text("#armed li")))
    startup = emulator.call("GET", "/emulator/startup")
    subprocess.run(
        [sample, "https://" + startup["vault_host"], "boundsecret"], env=emulator.environment(), check=True, timeout=60,
        stdout=subprocess.DEVNULL)
    hit = browser.wait_for("the row that the fault hit", lambda: cells(browser, "tr.fault"))[0]
    check(hit["service"] == "sts" and hit["status"] == "503", f"{hit}")
    number = browser.script("return document.querySelector('tr.fault').dataset.n")
    after = browser.wait_for(
        "the retry", lambda: [row for row in cells(browser, "tr[data-service=sts]") if "retry" in row["note"]])[0]
    check(f"retry of {number}" in after["note"] and after["status"] == "200", f"{after}")
    browser.wait_for("no fault is armed any more", lambda: browser.text("#armed li") == [])


def see_that_texts_are_texts(browser, emulator):
    check(emulator.raw("GET", "/metadata/" + EVIL) == 404, "IMDS has no such path")
    emulator.call("POST", "/emulator/apps", {"client_id": EVIL, "tenant_id": "t"})
    emulator.call("POST", "/emulator/faults", {"service": "sts", "path": "/never", "fault": {"body": EVIL, "status": 400}})
    browser.wait_for("the path as a text", lambda: EVIL in browser.text("#rows")[0])
    browser.wait_for("the app as a text", lambda: EVIL in browser.text("#identities")[0])
    browser.wait_for("the fault as a text", lambda: "onerror" in "".join(browser.text("#armed li")))
    check(browser.find("img, iframe, #rows script, aside script") == [], "no markup was made of a text")
    check(browser.script("return document.title") == "mtlspop-emulator", "no script ran")
    browser.click("#disarm")


def see_nothing_from_elsewhere(browser, url):
    loaded = browser.script("return performance.getEntriesByType('resource').map(e => e.name)")
    check(loaded and all(name.startswith(url) for name in loaded), f"everything came from the emulator: {loaded}")
    check(browser.complaints() == [], "the browser has nothing to complain about")


class Stranger(http.server.BaseHTTPRequestHandler):
    """A web page of somebody else's, on another port of this machine."""

    page = ""
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # The name that http.server wants.
        body = self.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ATTACK = """<!doctype html><title>stranger</title><body>
<iframe name="frame"></iframe>
<form method="post" target="frame" enctype="text/plain" action="URL/emulator/faults">
<input name='{"service":"vault","count":-1,"fault":{"status":500,"body":"' value='"}}'></form>
<script>
const fault = '{"service":"vault","count":-1,"fault":{"status":500}}';
const attempts = [
  fetch("URL/emulator/faults", {method: "POST", body: fault}),
  fetch("URL/emulator/faults", {method: "POST", body: fault, mode: "no-cors"}),
  fetch("URL/emulator/faults", {method: "POST", body: fault, headers: {"Content-Type": "application/json"}}),
  fetch("URL/emulator/log", {method: "DELETE"}),
  fetch("URL/emulator/road"), fetch("URL/emulator/startup", {mode: "no-cors"}),
  Promise.resolve(navigator.sendBeacon("URL/emulator/faults", fault)).then(() => { throw 0; })];
document.forms[0].submit();
Promise.allSettled(attempts).then(all => {
  window.read = all.filter(one => one.status === "fulfilled" && one.value.type !== "opaque").length;
  const frame = document.createElement("iframe");
  frame.onload = () => { document.title = "tried"; };
  frame.src = "URL/";
  document.body.append(frame);
});
</script>"""


def see_a_stranger_fail(browser, emulator):
    before = emulator.call("GET", "/emulator/road")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    Stranger.page = ATTACK.replace("URL", emulator.url)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        # The same machine under another port, and under another name.
        for host in ("127.0.0.1", "localhost"):
            browser.open(f"http://{host}:{server.server_port}/")
            browser.wait_for("the stranger's tries are over", lambda: browser.script("return document.title") == "tried")
            check(browser.script("return window.read") == 0, "the stranger read something")
            framed = browser.script("try { return frames[1].document.title } catch (error) { return 'closed' }")
            check(framed != "mtlspop-emulator", "the page shows in a stranger's frame")
            after = emulator.call("GET", "/emulator/road")
            check(after["faults"] == [] and after["last"] == before["last"], f"a stranger armed something: {after['faults']}")
            check(len(after["log"]) == len(before["log"]), "a stranger emptied the log")
    finally:
        server.shutdown()
        server.server_close()
        browser.complaints()


def take_picture(browser, folder, name, shown):
    """Of the page, from the first element that `shown` selects on."""
    if not folder:
        return
    browser.script(f"document.querySelector('{shown}').scrollIntoView()")
    time.sleep(1)  # Until the services' boxes are at rest.
    browser.save_screenshot(os.path.join(folder, name))


def run(arguments):
    with web_driver.Browser() as browser, Demo(arguments.demo) as demo:
        url = demo.read_until(r"open (http://\S+/) in a browser").group(1)
        emulator = Emulator(url)
        browser.open(url)
        see_the_demo(browser, demo)
        see_the_thief(browser, demo)
        take_picture(browser, arguments.pictures, "emulator-page-thief.png", "tr.theft")
        see_a_retry(browser, emulator, arguments.sample)
        take_picture(browser, arguments.pictures, "emulator-page.png", "body")
        see_that_texts_are_texts(browser, emulator)
        see_nothing_from_elsewhere(browser, url)
        see_a_stranger_fail(browser, emulator)
        demo.press_enter()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--demo", required=True)
    parser.add_argument("--sample", required=True)
    parser.add_argument("--pictures", help="a folder that gets those of the README")
    try:
        run(parser.parse_args())
    except web_driver.Missing as missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    print("seen: the road, the thief, a retry; no markup, no stranger")


if __name__ == "__main__":
    main()
