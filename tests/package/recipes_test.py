"""What packaging/ says, held against the programs it is about.

The manifests for Kubernetes are read as YAML; what their containers run is run here, by the same words, with the emulator
around it. The recipes for vcpkg and Conan are read, and have the version of the project.
"""

import argparse
import ast
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import yaml
except ImportError:
    print("skipped: Python's yaml is not there (Debian: python3-yaml)")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
PROGRAMS = {}


def pods(name):
    """Each pod that a manifest describes."""
    documents = list(yaml.safe_load_all((PACKAGING / "kubernetes" / name).read_text()))
    for document in documents:
        assert document["apiVersion"] and document["metadata"]["name"], document
        if "template" in document.get("spec", {}):
            yield document["spec"]["template"]["spec"], documents


def one_pod(name):
    (pod, documents), = pods(name)
    return pod, documents


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment():
    folders = {os.path.dirname(PROGRAMS["mtlspop"]), os.path.dirname(PROGRAMS["emulator"])}
    return {**os.environ, "PATH": os.pathsep.join([*folders, os.environ["PATH"]])}


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, command):
        process = subprocess.Popen(command, env=environment())

        def end():
            process.terminate()
            process.wait(timeout=60)

        self.addCleanup(end)
        return process

    def until(self, process, is_true, seconds=30):
        end = time.monotonic() + seconds
        while not is_true():
            self.assertIsNone(process.poll(), "it ended")
            self.assertLess(time.monotonic(), end, f"not within {seconds} s")
            time.sleep(0.05)


class Manifests(Folder):
    def test_containers_of_ours_may_do_nothing_but_their_work(self):
        for path in sorted((PACKAGING / "kubernetes").glob("*.yaml")):
            for pod, _ in pods(path.name):
                self.assertTrue(pod["securityContext"]["runAsNonRoot"], path)
                self.assertFalse(pod["automountServiceAccountToken"], path)
                volumes = {volume["name"] for volume in pod["volumes"]}
                for container in pod["initContainers"]:
                    self.assertTrue(container["securityContext"]["readOnlyRootFilesystem"], path)
                    self.assertFalse(container["securityContext"]["allowPrivilegeEscalation"], path)
                    self.assertEqual(container["securityContext"]["capabilities"], {"drop": ["ALL"]}, path)
                for container in pod["initContainers"] + pod["containers"]:
                    for mount in container["volumeMounts"]:
                        self.assertIn(mount["name"], volumes, path)

    def test_sidecar_serves_what_its_configuration_says(self):
        pod, documents = one_pod("sidecar.yaml")
        gateway, = pod["initContainers"]
        self.assertEqual(gateway["restartPolicy"], "Always")
        configuration, = [d for d in documents if d["kind"] == "ConfigMap"]
        port = free_port()
        text = configuration["data"]["gateway.conf"].replace("/run/mtlspop", self.folder).replace("9464", str(port))
        conf = pathlib.Path(self.folder, "gateway.conf")
        conf.write_text(text)
        arguments = [str(conf) if word == "/etc/mtlspop/gateway.conf" else word for word in gateway["args"]]
        process = self.start([PROGRAMS["emulator"], "run", "--secret", "password=of-the-pod", "--", PROGRAMS["mtlspop"], *arguments])
        probe = [PACKAGING / "container" / "gateway-ready", str(port)]
        self.until(process, lambda: subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 0)
        call = re.search(r"# (curl .*)", (PACKAGING / "kubernetes" / "sidecar.yaml").read_text())[1]
        answer = subprocess.run(call.replace("/run/mtlspop", self.folder), shell=True, capture_output=True, check=True)
        self.assertEqual(json.loads(answer.stdout)["value"], "of-the-pod")

    def test_probe_fails_where_nobody_serves(self):
        probe = [PACKAGING / "container" / "gateway-ready", str(free_port())]
        self.assertNotEqual(subprocess.run(probe, stderr=subprocess.DEVNULL).returncode, 0)

    def test_init_job_writes_the_secret(self):
        pod, _ = one_pod("init-job.yaml")
        job, = pod["initContainers"]
        self.assertNotIn("restartPolicy", job)
        arguments = [word.replace("/run/secrets/app", self.folder) for word in job["args"]]
        subprocess.run(
            [PROGRAMS["emulator"], "run", "--secret", "password=of-the-job", "--", PROGRAMS["mtlspop"], *arguments],
            check=True)
        self.assertEqual(json.loads(pathlib.Path(self.folder, "password.json").read_text())["value"], "of-the-job")

    def test_emulator_tells_the_tests_where_it_is(self):
        pod, _ = one_pod("emulator-sidecar.yaml")
        emulator, = pod["initContainers"]
        self.assertEqual(emulator["restartPolicy"], "Always")
        here = lambda words: [word.replace("/run/emulator", self.folder) for word in words]
        variables = [f"{v['name']}={v['value']}" for v in emulator["env"]]
        process = self.start(["/usr/bin/env", *here(variables), *here(emulator["command"])])
        probe = here(emulator["startupProbe"]["exec"]["command"])
        self.until(process, lambda: subprocess.run(probe, stderr=subprocess.DEVNULL).returncode == 0)
        command = here(pod["containers"][0]["command"])
        command[-1] = command[-1].replace(
            "./app_test", "mtlspop get --fail 'https://myvault.vault.azure.net/secrets/boundsecret?api-version=7.4'")
        answer = subprocess.run(command, env=environment(), capture_output=True, check=True)
        self.assertIn("value", json.loads(answer.stdout))


class Workflows(unittest.TestCase):
    """They cannot be run here; what they call has to be there."""

    def test_call_commands_that_dev_has(self):
        known = re.search(r"^  (demo \|.*)\) \"\$command\"", (ROOT / "dev").read_text(), re.M)[1].split(" | ") + ["test"]
        called = []
        for path in (ROOT / ".github/workflows").glob("*.yml"):
            self.assertIn("UNVERIFIED", path.read_text())
            for job in yaml.safe_load(path.read_text())["jobs"].values():
                for step in job["steps"]:
                    called += re.findall(r"\./dev (\w+)", step.get("run", ""))
        self.assertLessEqual({"test", "windows"}, set(called))
        self.assertLessEqual(set(called), set(known))


class Recipes(unittest.TestCase):
    version = re.search(r"^ +VERSION ([0-9.]+)$", (ROOT / "CMakeLists.txt").read_text(), re.M)[1]

    def test_vcpkg(self):
        port = json.loads((PACKAGING / "vcpkg/mtlspop/vcpkg.json").read_text())
        tree = json.loads((ROOT / "vcpkg.json").read_text())
        self.assertEqual(port["version"], self.version)
        self.assertEqual(tree["version"], self.version)
        ours = [d for d in port["dependencies"] if not (isinstance(d, dict) and d.get("host"))]
        self.assertEqual(ours, tree["dependencies"])
        options = re.findall(r"MTLSPOP_[A-Z0-9_]+", (PACKAGING / "vcpkg/mtlspop/portfile.cmake").read_text())
        self.assertLessEqual(set(options), self.options())

    def test_cmake_of_ubuntu_22_04_is_enough(self):
        presets = json.loads((ROOT / "CMakePresets.json").read_text())
        # 3 is the newest that CMake 3.22 reads.
        self.assertEqual(presets["version"], 3)
        self.assertEqual(presets["cmakeMinimumRequired"], {"major": 3, "minor": 22, "patch": 0})
        for folder in (".", "tests/emulator"):
            text = (ROOT / folder / "CMakeLists.txt").read_text()
            self.assertEqual(re.match(r"cmake_minimum_required\(VERSION ([0-9.]+)\)", text)[1], "3.22")

    def test_conan(self):
        text = (PACKAGING / "conan/conanfile.py").read_text()
        recipe, = [n for n in ast.parse(text).body if isinstance(n, ast.ClassDef)]
        values = {a.targets[0].id: a.value.value for a in recipe.body
                  if isinstance(a, ast.Assign) and isinstance(a.value, ast.Constant)}
        self.assertEqual(values["version"], self.version)
        for part in re.search(r"for part in \((.*?)\)", text)[1].replace('"', "").split(", "):
            self.assertIn("MTLSPOP_BUILD_" + part, self.options())

    def test_images_have_the_manifests_versions(self):
        for path in (PACKAGING / "kubernetes").glob("*.yaml"):
            for image in re.findall(r"image: (mtlspop-\S+)", path.read_text()):
                self.assertTrue(image.endswith(":" + self.version), image)

    @staticmethod
    def options():
        return set(re.findall(r"option\(\s*(\w+)", (ROOT / "CMakeLists.txt").read_text()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--mtlspop", required=True)
    parser.add_argument("--emulator", required=True)
    known, rest = parser.parse_known_args()
    PROGRAMS.update(mtlspop=known.mtlspop, emulator=known.emulator)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
