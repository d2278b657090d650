# SPDX-License-Identifier: MIT
"""adapter-cl convert, and info of AdapterHub folders."""

import json
import pathlib
import shutil
import struct
import unittest

from support import Array, CliTest, read_safetensors, write_safetensors

TINY = pathlib.Path(__file__).resolve().parents[1] / "golden/tiny"
BERT = TINY / "bert/adapters"


def read_raw(path):
    """{name: (dtype, shape, bytes)}, metadata."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    metadata = header.pop("__metadata__", {})
    data = content[8 + size:]
    return {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
            for name, entry in header.items()}, metadata


def transposed(array):
    rows, cols = array.shape
    return [array.values[r * cols + c] for c in range(cols) for r in range(rows)]


class Convert(CliTest):

    def info(self, path):
        return json.loads(self.done("info", path, "-o", "json"))

    def copy(self, folder, name="folder"):
        shutil.copytree(folder, self.path(name))
        return self.path(name)

    # ---- the pickle form ------------------------------------------------------------------------

    def test_a_pickle_becomes_safetensors(self):
        out = self.path("out")
        self.done("convert", BERT / "ln_before", out)
        self.assertEqual(sorted(path.name for path in out.iterdir()),
                         ["adapter.safetensors", "adapter_config.json", "head_config.json",
                          "model_head.safetensors"])
        for name in ("adapter_config.json", "head_config.json"):
            self.assertEqual((out / name).read_bytes(), (BERT / "ln_before" / name).read_bytes())
        before, after = self.info(BERT / "ln_before"), self.info(out)
        for file, tensors in ((before, before.pop("tensors")), (after, after.pop("tensors"))):
            file["names"] = sorted(tensor["name"] for tensor in tensors)
        self.assertEqual(before, after)
        tensors, metadata = read_raw(out / "adapter.safetensors")
        self.assertEqual(metadata, {})
        place = "bert.encoder.layer.0.output.adapters.ln_before."
        self.assertEqual(tensors[place + "adapter_norm_before.weight"],
                         tensors[place + "adapter_down.0.weight"])
        self.assertEqual(tensors[place + "adapter_down.1.weight"][1], [4, 32])

    def test_a_pickle_may_stay_beside_its_safetensors(self):
        folder = self.copy(BERT / "pickled")
        self.done("convert", folder, folder)
        self.assertTrue((folder / "adapter.safetensors").exists())
        self.assertTrue((folder / "pytorch_adapter.bin").exists())

    def test_a_pickle_that_would_run_something_is_refused(self):
        import zipfile
        folder = self.copy(BERT / "pickled")
        with zipfile.ZipFile(folder / "pytorch_adapter.bin", "w") as archive:
            archive.writestr("x/data.pkl", b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.")
        self.refused("convert", folder, self.path("out"), says="\"os.system\", which is never run")
        (folder / "pytorch_adapter.bin").write_bytes(b"PK\x03\x04")
        self.refused("convert", folder, self.path("out"), says="expected a zip file")

    # ---- native files ---------------------------------------------------------------------------

    def test_an_adapter_goes_out_and_comes_back(self):
        native = self.path("a.safetensors")
        self.done("convert", BERT / "houlsby", native, "--layer", 2, "--place", "attention")
        tensors, metadata = read_safetensors(native)
        theirs, _ = read_safetensors(BERT / "houlsby/adapter.safetensors")
        place = "bert.encoder.layer.2.attention.output.adapters.houlsby."
        down = theirs[place + "adapter_down.0.weight"]
        self.assertEqual(tensors["houlsby_down.kernel"].shape, (32, 4))
        self.assertEqual(tensors["houlsby_down.kernel"].values, transposed(down))
        self.assertEqual(tensors["houlsby_up.bias"].values,
                         theirs[place + "adapter_up.bias"].values)
        self.assertEqual(metadata, {"format": "adapter_cl", "format_version": "1",
                                    "name": "houlsby", "activation": "silu",
                                    "hidden_size": "32", "bottleneck_size": "4"})
        folder = self.copy(BERT / "houlsby")
        self.done("convert", native, folder, "--layer", 0, "--place", "output")
        changed, _ = read_raw(folder / "adapter.safetensors")
        original, _ = read_raw(BERT / "houlsby/adapter.safetensors")
        self.assertEqual(list(changed), list(original))
        for name in original:
            source = name
            if ".layer.0.output." in name:
                source = name.replace(".layer.0.output.", ".layer.2.attention.output.")
            self.assertEqual(changed[name], original[source], name)

    def test_the_only_adapter_needs_no_options(self):
        native, folder, back = (self.path(name) for name in ("a.safetensors", "new", "b"))
        self.done("convert", BERT / "parallel", native, "--layer", 1)
        self.done("convert", native, folder, "--layer", 1, "--place", "output", "--layers", 3)
        info = self.info(folder)
        self.assertEqual(info["leave_out"], [0, 2])
        self.assertTrue(info["is_parallel"])
        self.assertEqual(info["scaling"], 4.0)
        self.assertIn('"scaling": 4.0', (folder / "adapter_config.json").read_text())
        self.done("convert", folder, back)
        self.assertEqual(back.read_bytes(), native.read_bytes())

    def test_one_of_several_native_adapters_makes_a_folder(self):
        native = self.path("two.safetensors")
        tensors = {}
        for name in ("x", "y"):
            for ending, shape in (("down.kernel", (6, 2)), ("down.bias", (2,)),
                                  ("up.kernel", (2, 6)), ("up.bias", (6,))):
                size = shape[0] * (shape[1] if len(shape) > 1 else 1)
                tensors[f"{name}_{ending}"] = Array(shape, range(size))
        write_safetensors(native, tensors,
                          {"format": "adapter_cl", "format_version": "1", "name": "x",
                           "activation": "relu", "hidden_size": "6", "bottleneck_size": "2"})
        self.refused("convert", native, self.path("new"), says="expected the name of one of its 2")
        self.done("convert", native, self.path("new"), "--name", "y", "--model-type", "distilbert")
        written, _ = read_safetensors(self.path("new") / "adapter.safetensors")
        place = "distilbert.transformer.layer.0.output_adapters.adapters.y."
        self.assertEqual(written[place + "adapter_up.weight"].values,
                         transposed(tensors["y_up.kernel"]))

    # ---- models ---------------------------------------------------------------------------------

    def test_a_model_becomes_half_as_large(self):
        source = TINY / "bert/model.safetensors"
        before, before_metadata = read_raw(source)
        for dtype in ("f16", "bf16"):
            out = self.path(dtype + ".safetensors")
            self.done("convert", source, out, "--dtype", dtype)
            after, metadata = read_raw(out)
            self.assertEqual(metadata, before_metadata)
            self.assertEqual(set(after), set(before))
            for name, (kind, shape, data) in after.items():
                self.assertEqual((kind, shape), (dtype.upper(), before[name][1]))
                floats = struct.unpack(f"<{len(before[name][2]) // 4}f", before[name][2])
                if dtype == "f16":
                    self.assertEqual(data, struct.pack(f"<{len(floats)}e", *floats))

    def test_numbers_that_do_not_fit_are_refused(self):
        source = write_safetensors(self.path("m.safetensors"),
                                   {"w": Array((2,), [1.0, 70000.0])})
        self.refused("convert", source, self.path("out"), "--dtype", "f16",
                     says=['"w"', "expected numbers that fit F16, got 70000"])
        self.done("convert", source, self.path("out"), "--dtype", "bf16")
        self.refused("convert", self.path("out"), self.path("again"), "--dtype", "f16",
                     says="expected tensors of F32")

    # ---- refusals -------------------------------------------------------------------------------

    def test_other_combinations_are_named(self):
        native = self.path("a.safetensors")
        self.done("convert", BERT / "houlsby", native, "--layer", 0, "--place", "output")
        conversions = "conversions: a native adapter to or from an adapter of an AdapterHub folder"
        out = self.path("out")
        self.refused("convert", TINY / "bert/model.safetensors", out,
                     says=["expected --dtype f16 or bf16", conversions])
        self.refused("convert", native, self.path("b.safetensors"),
                     says=["expected a folder's name", conversions])
        self.refused("convert", native, out, "--dtype", "f16", says=["--dtype", conversions])
        self.refused("convert", TINY / "bert", out, says=["adapter_config.json", conversions])
        self.refused("convert", BERT / "houlsby", out, "--name", "x", says="--name")
        self.refused("convert", BERT / "gated", out, "--layer", 0, says="without use_gating")
        self.refused("convert", self.path("none"), out, says="cannot be opened")
        (self.path("folder")).mkdir()
        self.refused("convert", BERT / "houlsby", self.path("folder"),
                     says="expected a folder with weights in the pickle form")

    def test_a_choice_is_asked_for(self):
        out = self.path("out")
        self.refused("convert", BERT / "houlsby", out,
                     says=["expected the layer and place of one", "layer 2 output"])
        self.refused("convert", BERT / "houlsby", out, "--layer", 3, says="no adapter is in that")

    def test_wrong_usage(self):
        self.refused("convert", BERT, status=2, says="convert")
        self.refused("convert", BERT, "x", "--layer", "one", status=2, says="--layer")
        self.refused("convert", BERT, "x", "--place", "ffn", status=2, says="attention, output")
        self.refused("convert", TINY / "bert/model.safetensors", "x", "--dtype", "f8", status=2,
                     says="expected f16 or bf16")


class InfoOfFolders(CliTest):

    def test_json_says_all(self):
        info = json.loads(self.done("info", BERT / "gated", "-o", "json"))
        for key, value in {"format": "adapterhub", "name": "gated", "activation": "relu",
                           "hidden_size": 32, "bottleneck_size": None, "parameters": 3170,
                           "reduction_factor": {"default": 8, "0": 4, "2": 2}, "leave_out": [],
                           "use_gating": True, "residual_before_ln": True,
                           "scaling": 1.0}.items():
            self.assertEqual(info[key], value, key)
        self.assertEqual(info["adapters"][2], {"layer": 2, "place": "output",
                                               "bottleneck_size": 16, "parameters": 1105})
        self.assertEqual(info["head"]["labels"], ["LABEL_0", "LABEL_1", "LABEL_2"])
        self.assertIn({"name": "heads.gated.4.bias", "dtype": "F32", "shape": [3],
                       "file": "model_head.safetensors"}, info["tensors"])

    def test_every_folder_is_described(self):
        for folder in sorted(TINY.glob("*/adapters/*")):
            info = json.loads(self.done("info", folder, "-o", "json"))
            config = json.loads((folder / "adapter_config.json").read_text())
            self.assertEqual(info["name"], config["name"])
            options = config["config"]
            for key in ("mh_adapter", "ln_after", "leave_out", "reduction_factor", "scaling"):
                self.assertEqual(info[key], options[key], key)
            text = self.done("info", folder)
            self.assertIn("adapter: layer 0, ", text)
            self.assertIn(f'"{config["name"]}"', text)

    def test_a_damaged_folder_is_refused(self):
        folder = self.path("folder")
        shutil.copytree(BERT / "houlsby", folder)
        (folder / "adapter.safetensors").unlink()
        self.refused("info", folder, says=["adapter.safetensors", "pytorch_adapter.bin"])


if __name__ == "__main__":
    unittest.main()
