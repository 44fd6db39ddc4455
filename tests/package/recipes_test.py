"""What packaging/ says, held against the programs it is about, and what Debian's packages have beside them.

The manifests for Kubernetes are read as YAML; what their containers run is run here, by the same words, with the emulator
around it. The recipes for vcpkg and Conan are run with stand-ins for those tools, and have the version of the project. The
packages' scripts are run with stand-ins for what they call.
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
import types
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


class Documents(unittest.TestCase):
    """The emulator's manual page and completion know what its help knows."""

    options = re.compile(r"--[a-z0-9-]+")

    def help(self):
        return subprocess.run([PROGRAMS["emulator"], "--help"], capture_output=True, text=True, check=True).stdout

    def test_manual_page_has_every_option_and_no_other(self):
        page = (ROOT / "docs/man/mtlspop-emulator.1").read_text().replace("\\-", "-")
        self.assertEqual(set(self.options.findall(page)), set(self.options.findall(self.help())))

    def complete(self, *words):
        script = (f". {ROOT}/tests/emulator/completion/mtlspop-emulator.bash; COMP_WORDS=(mtlspop-emulator \"$@\"); COMP_CWORD=$#; "
                  "_mtlspop_emulator; printf '%s\\n' \"${COMPREPLY[@]}\"")
        return subprocess.run(
            ["bash", "-c", script, "bash", *words], env=environment(), capture_output=True, text=True, check=True).stdout.split()

    def test_completion_reads_the_help(self):
        self.assertEqual(set(self.complete("--")), set(self.options.findall(self.help())))
        self.assertIn("run", self.complete(""))
        self.assertEqual(self.complete("run", "--keep"), ["--keep-serving"])
        self.assertIn("--", self.complete("run", "--"))
        self.assertEqual(self.complete("run", "--quiet", "--imds", "v"), ["v1", "v2"])
        self.assertEqual(self.complete("--allow-bearer", ""), ["true", "false"])
        self.assertEqual(self.complete("--secret", ""), [])


class Scripts(Folder):
    """Those of the Debian package `mtlspop`."""

    called = ("getent", "groupadd", "groupdel", "deb-systemd-helper", "deb-systemd-invoke", "systemctl")

    def run_script(self, name, *arguments, failing=()):
        """The commands that it calls, where `failing` fail."""
        log = pathlib.Path(self.folder, "log")
        log.write_text("")
        for program in self.called:
            path = pathlib.Path(self.folder, program)
            path.write_text(f'#!/bin/sh\necho {program} "$@" >>{log}\nexit {int(program in failing)}\n')
            path.chmod(0o755)
        subprocess.run([ROOT / "cmake/packages/mtlspop" / name, *arguments], env={"PATH": f"{self.folder}:/usr/bin:/bin"}, check=True)
        return log.read_text()

    def test_what_an_administrator_enables_is_known_to_purge(self):
        units = "mtlspop-gateway.socket mtlspop-gateway.service"
        self.assertIn(f"deb-systemd-helper update-state {units}", self.run_script("postinst", "configure"))
        self.assertIn(f"deb-systemd-helper purge {units}", self.run_script("postrm", "purge"))
        self.assertNotIn("purge", self.run_script("postrm", "remove"))

    def test_the_group_is_made_once(self):
        self.assertIn("groupadd --system mtlspop", self.run_script("postinst", "configure", failing=["getent"]))
        self.assertNotIn("groupadd", self.run_script("postinst", "configure", "0.1.0"))

    def test_purge_leaves_a_group_that_somebody_has(self):
        self.assertIn("groupdel mtlspop", self.run_script("postrm", "purge", failing=["groupdel"]))


class Dependencies(Folder):
    def test_trixie_has_what_debian_12_calls_otherwise(self):
        path = pathlib.Path(self.folder, "dpkg-shlibdeps")
        path.write_text('#!/bin/sh\necho "shlibs:Depends=libc6 (>= 2.34), libtss2-mu0 (>= 3.0.1), libtss2-rc0 (>= 3.0.1)"\nexit $1\n')
        path.chmod(0o755)
        run = lambda status: subprocess.run(
            [ROOT / "cmake/packages/shlibdeps", status], env={"PATH": f"{self.folder}:/usr/bin:/bin"}, capture_output=True, text=True)
        self.assertIn(", libtss2-mu0 (>= 3.0.1) | libtss2-mu-4.0.1-0t64, libtss2-rc0", run("0").stdout)
        self.assertEqual(run("3").returncode, 3)


# What the port for vcpkg calls, as far as it moves files: a package's folder of CMake goes to share/, and with it the folder
# around it, unless that is forbidden.
VCPKG = """
function(vcpkg_check_features)
endfunction()
function(vcpkg_cmake_configure)
endfunction()
function(vcpkg_cmake_install)
  foreach(package mtlspop mtlspop-emulator)
    file(WRITE ${CURRENT_PACKAGES_DIR}/bin/${package} "")
    foreach(root "" debug/)
      file(WRITE ${CURRENT_PACKAGES_DIR}/${root}lib/cmake/${package}/${package}Config.cmake "")
    endforeach()
  endforeach()
endfunction()
function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(PARSE_ARGV 0 "arg" "DO_NOT_DELETE_PARENT_CONFIG_PATH" "PACKAGE_NAME;CONFIG_PATH" "")
  foreach(root "" debug/)
    set(from ${CURRENT_PACKAGES_DIR}/${root}${arg_CONFIG_PATH})
    if(NOT EXISTS ${from})
      message(FATAL_ERROR "${from} does not exist")
    endif()
    file(COPY ${from} DESTINATION ${CURRENT_PACKAGES_DIR}/share)
    file(REMOVE_RECURSE ${from})
    if(NOT arg_DO_NOT_DELETE_PARENT_CONFIG_PATH)
      file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/${root}lib/cmake)
    endif()
  endforeach()
endfunction()
function(vcpkg_copy_tools)
  cmake_parse_arguments(PARSE_ARGV 0 "arg" "AUTO_CLEAN" "" "TOOL_NAMES")
  file(COPY ${CURRENT_PACKAGES_DIR}/bin/${arg_TOOL_NAMES} DESTINATION ${CURRENT_PACKAGES_DIR}/tools/${PORT})
endfunction()
foreach(name vcpkg_fixup_pkgconfig vcpkg_copy_pdbs vcpkg_install_copyright)
  cmake_language(EVAL CODE "function(${name})\nendfunction()")
endforeach()
include(${port})
"""


def conan_recipe():
    """The class of Conan's recipe, without Conan."""
    class Base:
        pass

    names = {"conan": {"ConanFile": Base}, "conan.tools": {}, "conan.tools.cmake": {}, "conan.tools.files": {}}
    for name in ("CMake", "CMakeDeps", "CMakeToolchain", "cmake_layout"):
        names["conan.tools.cmake"][name] = None
    for name in ("copy", "rmdir"):
        names["conan.tools.files"][name] = None
    for name, content in names.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(content)
    content = {}
    exec((PACKAGING / "conan/conanfile.py").read_text(), content)  # pylint: disable=exec-used
    return content["Mtlspop"]


class Recipes(Folder):
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

    def test_vcpkg_gets_both_packages_and_both_programs(self):
        stand_ins = pathlib.Path(self.folder, "port.cmake")
        stand_ins.write_text(VCPKG)
        subprocess.run(
            ["cmake", "-D", f"CURRENT_PACKAGES_DIR={self.folder}/out", "-D", "PORT=mtlspop",
             "-D", f"port={PACKAGING}/vcpkg/mtlspop/portfile.cmake", "-P", stand_ins], check=True)
        for name in ("share/mtlspop/mtlspopConfig.cmake", "share/mtlspop-emulator/mtlspop-emulatorConfig.cmake",
                     "tools/mtlspop/mtlspop", "tools/mtlspop/mtlspop-emulator", "share/mtlspop/usage"):
            self.assertTrue(pathlib.Path(self.folder, "out", name).exists(), name)
        self.assertFalse(pathlib.Path(self.folder, "out/lib/cmake").exists())

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

    def conan_requires(self, system, with_cpprest):
        recipe = conan_recipe()()
        recipe.settings = types.SimpleNamespace(os=system)
        recipe.options = types.SimpleNamespace(with_cpprest=with_cpprest)
        found = {}
        recipe.requires = lambda what, **options: found.update({what.split("/")[0]: options})
        recipe.requirements()
        return found

    def test_conan_wants_of_boost_what_cpprestsdk_leaves(self):
        # cpprestsdk names one version of Boost, which has to be known before the range is, and links libraries of it.
        names = list(self.conan_requires("Linux", True))
        self.assertLess(names.index("cpprestsdk"), names.index("boost"))
        self.assertNotIn("options", self.conan_requires("Linux", True)["boost"])
        self.assertEqual(self.conan_requires("Linux", False)["boost"]["options"], {"header_only": True})
        self.assertNotIn("boost", self.conan_requires("Windows", False))

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
