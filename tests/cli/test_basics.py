# SPDX-License-Identifier: MIT
"""adapter-cl: its commands and options, devices, init, info."""

import json
import pathlib
import shlex
import subprocess
import unittest

from support import PROGRAM, Array, CliTest, matrix, read_safetensors, write_npy
from support import write_safetensors

SOURCE = pathlib.Path(__file__).resolve().parents[2]

COMMANDS = {
    "devices": [],
    "init": ["--hidden", "--bottleneck", "--activation", "--init", "--name", "--scaling",
             "--dropout", "--parallel"],
    "info": [],
    "apply": ["--name", "--activation", "--grad", "--grads", "--cast"],
    "train": ["--train", "--test", "--resume", "--force", "--head-only", "--adapter",
              "--bottleneck", "--activation", "--init", "--name", "--scaling", "--dropout",
              "--epochs", "--batch", "--lr", "--schedule", "--warmup", "--optimizer", "--momentum",
              "--beta1", "--beta2", "--epsilon", "--no-bias-correction", "--weight-decay",
              "--clip", "--checkpoint-every", "--log", "--cast"],
    "score": ["--logits", "--cast"],
    "finetune": ["--model", "--train", "--dev", "--config", "--reduction-factor", "--leave-out",
                 "--activation", "--scaling", "--init", "--dropout", "--name", "--pooling",
                 "--head-layers", "--head-dropout", "--head-lr", "--train-layer-norms",
                 "--model-dropout", "--recompute", "--max-length", "--regression", "--cache-frozen",
                 "--tokens-per-pass", "--patience", "--keep", "--report", "--resume", "--force",
                 "--epochs", "--batch", "--lr", "--schedule", "--warmup", "--optimizer",
                 "--momentum", "--beta1", "--beta2", "--epsilon", "--no-bias-correction",
                 "--weight-decay", "--clip", "--checkpoint-every", "--log"],
    "eval": ["--model", "--max-length"],
    "predict": ["--model", "--input", "--pairs", "--max-length"],
    "embed": ["--model", "--adapter", "--input", "--pairs", "--pooling", "--normalize",
              "--max-length"],
    "tokenize": ["--model", "--input", "--max-length", "--pairs", "--format"],
    "convert": ["--layer", "--place", "--name", "--layers", "--model-type", "--dtype"],
    "bench": ["--rows", "--hidden", "--bottleneck", "--shapes"],
    "tune": ["--rows", "--hidden", "--bottleneck", "--shapes", "--candidates", "--force",
             "--dry-run"],
}
COMMON = ["--device", "--engine", "--tuning", "--cache", "--seed", "--quiet", "--verbose", "--help"]


class Usage(CliTest):

    def test_help_of_each_command_names_its_options_and_gives_examples(self):
        for command, options in COMMANDS.items():
            with self.subTest(command):
                text = self.done(command, "--help")
                self.assertTrue(text.startswith(f"Usage: adapter-cl {command} "))
                for option in options + COMMON:
                    self.assertIn(option, text)
                self.assertIn(f"\n  adapter-cl {command}", text.split("Examples:")[1])
                self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_the_manual_names_every_option(self):
        manual = (SOURCE / "docs/adapter-cl.1").read_text()
        for command, options in COMMANDS.items():
            self.assertIn(f"\n.Ss {command}\n", manual)
            for option in options + COMMON:
                self.assertRegex(manual, rf"[ ,]{option[1:]}\b")

    def test_bash_completes_commands_options_and_names(self):
        def completed(*words):
            script = (f"source {shlex.quote(str(SOURCE / 'scripts/adapter-cl.bash'))};"
                      f"adapter-cl() {{ {shlex.quote(PROGRAM)} \"$@\"; }};"
                      f"COMP_WORDS=({shlex.join(['adapter-cl', *words])});"
                      f"COMP_CWORD={len(words)}; _adapter_cl; echo \"${{COMPREPLY[@]}}\"")
            return subprocess.run(["bash", "-c", script], capture_output=True, text=True,
                                  check=True).stdout.split()
        self.assertEqual(completed(""), [*COMMANDS, "--help", "--version"])
        for command, options in COMMANDS.items():
            self.assertLessEqual({*options, *COMMON}, {*completed(command, "--")})
        self.assertEqual(completed("train", "--optimizer", "a"), ["adam", "adamw"])
        self.assertEqual(completed("apply", ""), [])

    def test_help_lists_the_commands(self):
        for arguments in ["--help"], ["help"]:
            text = self.done(*arguments)
            for command in COMMANDS:
                self.assertIn(f"\n  {command} ", text)

    def test_version(self):
        self.assertRegex(self.done("--version"), r"^adapter-cl \d+\.\d+\.\d+\n$")

    def test_no_command_is_wrong_usage(self):
        result = self.run_program()
        self.assert_failed(result, 2)
        self.assertIn("Usage:", result.stderr)

    def test_unknown_commands_are_refused_with_the_list(self):
        self.refused("encode", status=2, says=["encode", *COMMANDS])
        self.refused("trian", status=2, says="did you mean train?")

    def test_unknown_options_are_refused(self):
        self.refused("init", "--hiden", "4", status=2, says=["--hiden", "did you mean --hidden?"])
        self.refused("init", "--colour", status=2, says="--colour")
        self.refused("init", "-x", status=2, says="-x")
        self.refused("bench", "--contrast", "base.json", status=2, says="--contrast")

    def test_arguments_are_counted(self):
        self.refused("info", status=2, says="missing")
        self.refused("info", "a", "b", status=2, says='"b"')
        self.refused("init", "--hidden", status=2, says="--hidden")
        self.refused("init", "--parallel=1", status=2, says="--parallel")
        self.refused("train", "--train", "x.npy", status=2, says=["--train", "two files"])
        self.refused("train", "--train", "x.npy", "--resume", status=2, says="two files")

    def test_numbers_must_be_numbers(self):
        for option, value in (("--hidden", "4x"), ("--hidden", "-4"), ("--hidden", ""),
                              ("--hidden", "99999999999999999999"), ("--scaling", "nan"),
                              ("--scaling", "1,5"), ("--seed", "-1"), ("--seed", "1.0")):
            with self.subTest(option=option, value=value):
                self.refused("init", option, value, "-o", self.path("a"), status=2,
                             says=[option, f'got "{value}"'])

    def test_formats_are_named(self):
        for command in "devices", "info":
            operands = ["x"] if command == "info" else []
            self.refused(command, *operands, "-o", "yaml", status=2, says=["json", "yaml"])

    def test_an_unknown_engine_or_device_is_refused_with_what_there_is(self):
        init = ["init", "--hidden", "4", "-o", self.path("a")]
        self.refused(*init, "--engine", "quick", says=["quick", "gemm", "reference"])
        self.refused(*init, "--device", "no such device", says=["no such device", "0:0"])
        self.refused(*init, environment={"ADCL_DEVICE": "no such device"}, says="no such device")
        self.refused(*init, environment={"ADCL_ENGINE": "quick"}, says="quick")

    def test_quiet_and_verbose(self):
        init = [PROGRAM, "init", "--hidden", "4", "-o", self.path("a")]
        def stderr(*options):
            return subprocess.run([*init, *options], capture_output=True, text=True,
                                  check=True).stderr
        self.assertEqual(stderr("-q"), "")
        self.assertEqual(len(stderr().splitlines()), 1)
        self.assertIn("device", stderr("-v"))
        self.assertGreaterEqual(len(stderr("-vv")), len(stderr("-v")))

    def test_a_full_disk_under_standard_output_is_a_failure(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([PROGRAM, "--help"], stdout=full, stderr=subprocess.PIPE)
        self.assert_failed(result)
        self.assertIn(b"standard output", result.stderr)


class Devices(CliTest):

    KEYS = {"selector", "platform", "name", "vendor", "driver", "opencl", "type", "compute_units",
            "memory_bytes", "local_memory_bytes", "usable", "reason", "default"}

    def test_json_has_the_promised_keys_and_one_default(self):
        devices = json.loads(self.done("devices", "-o", "json"))
        for device in devices:
            self.assertEqual(set(device), self.KEYS)
        self.assertEqual([device["default"] for device in devices].count(True), 1)

    def test_text_shows_each_device(self):
        text = self.done("devices")
        for device in json.loads(self.done("devices", "-o", "json")):
            self.assertIn(device["name"], text)

    def test_the_selected_device_is_marked(self):
        selector = json.loads(self.done("devices", "-o", "json"))[-1]["selector"]
        chosen = json.loads(self.done("devices", "-o", "json", "--device", selector))
        self.assertEqual([d["selector"] for d in chosen if d["default"]], [selector])

    def test_no_platform_is_an_empty_list_and_a_sentence_with_the_package(self):
        nothing = {"OCL_ICD_VENDORS": str(self.folder)}
        result = self.run_program("devices", "-o", "json", environment=nothing)
        self.assertEqual((result.returncode, json.loads(result.stdout)), (0, []))
        self.assertIn("pocl-opencl-icd", result.stderr)
        self.refused("init", "--hidden", "4", "-o", self.path("a"), environment=nothing,
                     says="pocl-opencl-icd")


class Init(CliTest):

    def init(self, *options, name="a.safetensors"):
        self.done("init", "-o", self.path(name), *options)
        return read_safetensors(self.path(name))

    def test_the_defaults_are_those_of_the_reference(self):
        tensors, metadata = self.init("--hidden", "8")
        self.assertEqual({name: array.shape for name, array in tensors.items()},
                         {"adapter_down.kernel": (8, 64), "adapter_down.bias": (64,),
                          "adapter_up.kernel": (64, 8), "adapter_up.bias": (8,)})
        self.assertEqual(metadata, {"format": "adapter_cl", "format_version": "1",
                                    "name": "adapter", "activation": "relu", "hidden_size": "8",
                                    "bottleneck_size": "64"})
        self.assertTrue(any(tensors["adapter_down.kernel"].values))
        self.assertFalse(any(tensors["adapter_up.kernel"].values))

    def test_every_option_reaches_the_file(self):
        tensors, metadata = self.init("--hidden", "8", "--bottleneck", "3", "--activation", "gelu",
                                      "--init", "bert", "--name", "n", "--scaling", "0.5",
                                      "--dropout", "0.25", "--parallel")
        self.assertEqual(tensors["n_down.kernel"].shape, (8, 3))
        self.assertTrue(any(tensors["n_up.kernel"].values))
        self.assertEqual(metadata["activation"], "gelu")
        self.assertEqual((metadata["scaling"], metadata["dropout"]), ("0.5", "0.25"))
        self.assertIn("parallel", metadata)

    def test_the_seed_decides_the_values(self):
        files = []
        for i, seed in enumerate("112"):
            self.init("--hidden", "8", "--seed", seed, name=f"{i}.safetensors")
            files.append(self.path(f"{i}.safetensors").read_bytes())
        self.assertEqual(files[0], files[1])
        self.assertNotEqual(files[0], files[2])

    def test_bad_options_are_refused_in_a_sentence(self):
        for arguments, says in (
                (["--hidden", "0"], ["--hidden", "at least 1", "got 0"]),
                (["--hidden", "4", "--bottleneck", "0"], ["--bottleneck", "got 0"]),
                (["--hidden", "4", "--activation", "rule"], ["rule", "relu", "log_sumexp"]),
                (["--hidden", "4", "--init", "zeros"], ["zeros", "identity", "mam"]),
                (["--hidden", "4", "--scaling", "0"], ["--scaling", "got 0"]),
                (["--hidden", "4", "--dropout", "1"], ["dropout", "got 1"]),
                (["--hidden", "4", "--name", ""], "name"),
                (["--hidden", "4", "--name", "a\nb"], "name"),
                (["--hidden", "9999999999999", "--bottleneck", "9999999999999"], "9999999999999")):
            with self.subTest(arguments):
                self.refused("init", *arguments, "-o", self.path("a"), says=says)
        self.refused("init", "-o", self.path("a"), status=2, says="--hidden is missing")
        self.refused("init", "--hidden", "4", status=2, says="-o is missing")

    def test_outputs_that_cannot_be_are_refused(self):
        self.refused("init", "--hidden", "4", "-o", self.folder, says="folder")
        self.refused("init", "--hidden", "4", "-o", self.path("no/a"), says="no/a")
        self.refused("init", "--hidden", "4", "-o", "/dev/full/a", says="/dev/full/a")


class Info(CliTest):

    def info(self, path):
        text = self.done("info", path)
        described = json.loads(self.done("info", path, "-o", "json"))
        for tensor in described["tensors"]:
            self.assertIn(tensor["name"], text)
        return described

    def test_a_native_file_is_described_with_the_promised_keys(self):
        self.done("init", "--hidden", "8", "--bottleneck", "3", "--scaling", "0.5", "-o",
                  self.path("a"))
        described = self.info(self.path("a"))
        self.assertEqual(described["format"], "adapter_cl")
        self.assertEqual(
            {key: described[key] for key in ("name", "activation", "hidden_size",
                                             "bottleneck_size", "parameters", "scaling",
                                             "dropout", "parallel")},
            {"name": "adapter", "activation": "relu", "hidden_size": 8, "bottleneck_size": 3,
             "parameters": 2 * 8 * 3 + 3 + 8, "scaling": 0.5, "dropout": 0.0, "parallel": False})
        self.assertIn({"name": "adapter_down.kernel", "dtype": "F32", "shape": [8, 3]},
                      described["tensors"])

    def bare(self, *names):
        tensors = {}
        for name in names:
            tensors |= {f"{name}_down.kernel": matrix(4, 2),
                        f"{name}_down.bias": Array([2], [0] * 2),
                        f"{name}_up.kernel": matrix(2, 4),
                        f"{name}_up.bias": Array([4], [0] * 4)}
        return write_safetensors(self.path("bare"), tensors)

    def test_a_file_without_metadata_has_an_adapter_without_activation(self):
        described = self.info(self.bare("one"))
        self.assertEqual((described["format"], described["name"], described["activation"]),
                         ("safetensors", "one", None))

    def test_several_adapters_are_all_listed(self):
        described = self.info(self.bare("one", "two"))
        self.assertEqual([a["name"] for a in described["adapters"]], ["one", "two"])
        self.assertNotIn("name", described)

    def test_other_safetensors_files_and_npy_files_are_described(self):
        other = write_safetensors(self.path("o"), {"w": matrix(2, 3)}, {"format": "pt", "k": "v"})
        described = self.info(other)
        self.assertEqual((described["format"], described["metadata"]["k"]), ("safetensors", "v"))
        self.assertNotIn("adapters", described)
        described = self.info(write_npy(self.path("x.npy"), (2, 3), [0] * 6, "<f2"))
        self.assertEqual((described["format"], described["tensors"][0]["shape"]), ("npy", [2, 3]))

    def test_control_characters_of_a_file_do_not_reach_the_terminal(self):
        path = write_safetensors(self.path("o"), {"w\x1b[31m": matrix(1, 1)}, {"k": "\x1b[2J"})
        self.assertNotIn("\x1b", self.done("info", path))

    def test_what_is_no_such_file_is_refused(self):
        self.path("text").write_text("hello")
        self.refused("info", self.path("text"), says="text")
        self.refused("info", self.path("nothing"), says="nothing")
        self.refused("info", self.folder, says="head.safetensors")


if __name__ == "__main__":
    unittest.main()
