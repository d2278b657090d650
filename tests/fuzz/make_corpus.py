#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the corpora: small files, each right or wrong in one way that its name says.
What a fuzzer found is added to the same folders by hand, under a name that says what it was."""
import io
import json
import pathlib
import struct
import zipfile

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def safetensors(header, data=b"", length=None):
    header = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def tensor(dtype, shape, begin, end):
    return '{"dtype":"%s","shape":%s,"data_offsets":[%d,%d]}' % (dtype, shape, begin, end)


def npy(descr="'<f4'", order="False", shape="(2, 3)", data=bytes(24), major=1, minor=0):
    text = ("{'descr': %s, 'fortran_order': %s, 'shape': %s, }\n" % (descr, order, shape)).encode()
    length = struct.pack("<H" if major == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([major, minor]) + length + text + data


F32 = tensor("F32", "[2,3]", 0, 24)
SAFETENSORS = {
    "valid_one_tensor": safetensors('{"x":%s}  ' % F32, bytes(24)),
    "valid_metadata": safetensors('{"__metadata__":{"format":"pt","a\\u00e9":""},"x":%s}' % F32,
                                  bytes(24)),
    "valid_two_dtypes": safetensors('{"b":%s,"a":%s}' % (tensor("U8", "[1]", 4, 5),
                                                         tensor("F16", "[2,1]", 0, 4)), bytes(5)),
    "valid_empty_tensors": safetensors('{"a":%s,"b":%s}' % (tensor("I64", "[0]", 0, 0),
                                                            tensor("I64", "[3,0]", 0, 0))),
    "valid_scalar": safetensors('{"a":%s}' % tensor("F64", "[]", 0, 8), bytes(8)),
    "valid_no_tensor": safetensors("{}      "),
    "empty": b"",
    "header_length_only": struct.pack("<Q", 0),
    "header_length_huge": safetensors("{}", length=2**64 - 1),
    "header_truncated": safetensors('{"x":%s' % F32, length=1000),
    "header_not_utf8": safetensors(b'{"\xff":1}'),
    "header_nul": safetensors(b"{}\0"),
    "header_newline_behind": safetensors("{}\n"),
    "header_array": safetensors("[1]"),
    "nested_deeply": safetensors('{"a":' * 2100 + "1" + "}" * 2100),
    "key_twice": safetensors('{"x":%s,"x":%s}' % (F32, F32), bytes(24)),
    "metadata_number": safetensors('{"__metadata__":{"a":1}}'),
    "dtype_unknown": safetensors('{"x":%s}' % tensor("F8_E5M2", "[1]", 0, 1), bytes(1)),
    "shape_negative": safetensors('{"x":%s}' % tensor("F32", "[-1]", 0, 4), bytes(4)),
    "shape_float": safetensors('{"x":%s}' % tensor("F32", "[1.0]", 0, 4), bytes(4)),
    "shape_overflow": safetensors('{"x":%s}' % tensor("F32", [2**62, 4], 0, 0)),
    "offsets_overlap": safetensors('{"a":%s,"b":%s}' % (tensor("U8", "[4]", 0, 4),
                                                        tensor("U8", "[4]", 2, 6)), bytes(6)),
    "offsets_hole": safetensors('{"a":%s,"b":%s}' % (tensor("U8", "[4]", 0, 4),
                                                     tensor("U8", "[4]", 5, 9)), bytes(9)),
    "offsets_beyond": safetensors('{"x":%s}' % F32, bytes(23)),
    "data_behind": safetensors('{"x":%s}' % F32, bytes(25)),
}
NPY = {
    "valid_f4": npy(),
    "valid_fortran": npy(order="True"),
    "valid_fortran_f2_rank_3": npy("'<f2'", "True", "(2, 3, 4)", bytes(range(48))),
    "valid_scalar": npy("'<f8'", shape="()", data=bytes(8)),
    "valid_empty": npy(shape="(0, 5)", data=b""),
    "valid_bool": npy("'|b1'", shape="(2,)", data=b"\0\1"),
    "valid_i8_too_large": npy("'<i8'", shape="(2,)", data=b"\xff" * 15 + b"\x7f"),
    "valid_u8_too_large": npy("'<u8'", shape="(1,)", data=b"\xff" * 8),
    "valid_version_2": npy(major=2),
    "valid_version_3": npy(major=3),
    "empty": b"",
    "magic_only": b"\x93NUMPY",
    "version_4": npy(major=4),
    "version_1_1": npy(minor=1),
    "header_truncated": npy()[:40],
    "header_length_huge": b"\x93NUMPY\2\0\xff\xff\xff\xff{",
    "descr_big_endian": npy("'>f4'"),
    "descr_object": npy("'|O'", shape="(3,)"),
    "descr_structured": npy("[('a', '<f4')]"),
    "descr_unclosed": npy("'<f4"),
    "descr_escape": npy("'\\x3cf4'"),
    "descr_nul": npy("'<f4\0'"),
    "shape_overflow": npy("'|u1'", shape="(4294967296, 4294967296)", data=b""),
    "shape_too_long_number": npy(shape="(99999999999999999999,)"),
    "shape_negative": npy(shape="(-2, 3)"),
    "shape_rank_33": npy(shape="(%s)" % ("1," * 33), data=bytes(4)),
    "data_short": npy(data=bytes(23)),
    "data_behind": npy(data=bytes(25)),
}
# The first byte: 0 a vocabulary, 1 a text under the second byte's rules, 2 both. See the target.
TOKENIZER = {
    "vocabulary_small": b"\0\x0f" + b"[UNK]\nthe\n##s\n",
    "vocabulary_crlf": b"\0\x0f" + b"a\r\n##b\r\n##\r\n",
    "vocabulary_empty": b"\0\x0f",
    "vocabulary_blank_line": b"\0\x0f" + b"a\n\nb",
    "vocabulary_twice": b"\0\x0f" + b"a\n##a\na",
    "vocabulary_not_utf8": b"\0\x0f" + b"a\n\xff\n",
    "text_pieces": b"\1\x0f" + b"aab abab abx [SEP]a ab!#a##",
    "text_accents": b"\1\x0f" + "é É e\u0301 ÀÇ İ ﬁ".encode(),
    "text_accents_kept": b"\1\x0b" + "é É İ".encode(),
    "text_cased": b"\1\x07" + "é É aB AB".encode(),
    "text_chinese": b"\1\x1f" + "a中文b漢字".encode(),
    "text_hangul_and_marks": b"\1\x0f" + "한국어 a\u302e\u1b44\u0301".encode(),
    "text_controls": b"\1\x0f" + "a\0b\u00adc\u200bd\ufffd\u0085\u2028".encode(),
    "text_not_clean": b"\1\x0e" + "a\x0bb\u0085c\0".encode(),
    "text_not_utf8": b"\1\x0f" + b"a\xed\xa0\x80",
    "text_cut": b"\1\x3f" + b"a a a a a a a a",
    "both": b"\2\x0f" + b"a\n##a\n##b\0aab ba",
}




def string(text):
    return b"X" + struct.pack("<I", len(text)) + text


def tensor_of(sizes, storage=b"FloatStorage", count=b"K\6"):
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((" + string(b"storage") + b"ctorch\n" + storage +
            b"\n" + string(b"0") + string(b"cpu") + count + b"tQ" + sizes +
            b"\x89ccollections\nOrderedDict\n)RtR")


def program(*tensors):
    items = b"".join(string(b"%d" % i) + t for i, t in enumerate(tensors))
    return b"\x80\2}q\0(" + items + b"u."


def archive(pickle, storage=bytes(24), **members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in {"data.pkl": pickle, "data/0": storage, **members}.items():
            file.writestr(zipfile.ZipInfo("m/" + name, (1980, 1, 1, 0, 0, 0)), content)
    return stream.getvalue()


MATRIX = tensor_of(b"K\0K\2K\3\x86K\3K\1\x86")
# The first byte: 0 a program, 1 a file.
PICKLE = {
    "valid_program": b"\0" + program(MATRIX),
    "valid_file": b"\1" + archive(program(MATRIX)),
    "valid_transposed": b"\1" + archive(program(MATRIX, tensor_of(b"K\0K\3K\2\x86K\1K\3\x86"))),
    "valid_scalar": b"\1" + archive(program(tensor_of(b"K\5))"))),
    "valid_state_dictionary": b"\0ccollections\nOrderedDict\n)R" + string(b"a") + MATRIX + b"s}" +
                              string(b"_metadata") + b"}sb.",
    "valid_long_numbers": b"\0" + program(tensor_of(b"\x8a\1\0K\2K\3\x86K\3K\1\x86", count=b"\x8a\2\6\0")),
    "empty": b"\0",
    "zip_empty": b"\1",
    "zip_truncated": b"\1" + archive(program(MATRIX))[:-30],
    "zip_without_storage": b"\1" + archive(program(MATRIX), storage=b""),
    "zip_big_endian": b"\1" + archive(program(MATRIX), byteorder=b"big"),
    "old_form": b"\1\x80\2\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
    "global_forbidden": b"\0cposix\nsystem\n" + string(b"true") + b"\x85R.",
    "instruction_forbidden": b"\0(iposix\nsystem\n.",
    "protocol_4": b"\0\x80\4\x95",
    "beyond_storage": b"\1" + archive(program(tensor_of(b"K\1K\2K\3\x86K\3K\1\x86"))),
    "stride_0": b"\1" + archive(program(tensor_of(b"K\0K\2K\3\x86K\0K\1\x86"))),
    "shape_overflow": b"\1" + archive(program(tensor_of(
        b"K\0(" + b"J\xff\xff\xff\x7f" * 4 + b"t(" + b"K\1" * 4 + b"t"))),
    "size_negative": b"\0" + program(tensor_of(b"K\0J\xff\xff\xff\xff\x85K\1\x85")),
    "dictionary_in_itself": b"\0}q\0" + string(b"a") + b"h\0s.",
    "name_not_utf8": b"\0}" + string(b"\xff") + MATRIX + b"s.",
    "memo_gap": b"\0}q\7.",
    "mark_without_end": b"\0(((}.",
}
BOTTLENECK = {"mh_adapter": True, "output_adapter": True, "reduction_factor": 16,
              "non_linearity": "relu"}


def adapter(more=None, **outside):
    return json.dumps({"config": {**BOTTLENECK, **(more or {})}, "hidden_size": 32,
                       "model_type": "bert", "name": "a", "version": "1", **outside}).encode()


def head(**more):
    return b"\0" + json.dumps({"config": {
        "head_type": "classification", "layers": 2, "num_labels": 2, "activation_function": "tanh",
        "label2id": {"no": 0, "yes": 1}, **more}, "hidden_size": 32, "model_type": "bert",
        "name": "a"}).encode()


# adapter_config.json, a NUL, head_config.json.
ADAPTER_CONFIG = {
    "valid_adapter": adapter(),
    "valid_both": adapter() + head(),
    "valid_head": head(),
    "valid_mean_head": adapter() + head(head_type="adapter_cl_mean", layers=1),
    "valid_factors": adapter({"reduction_factor": {"default": 7.3, "0": 2, "11": 0.5},
                              "leave_out": [1, 3]}),
    "valid_learned": adapter({"scaling": "learned", "dropout": 0.1, "residual_before_ln": False}),
    "valid_scaling": adapter({"scaling": 0.1, "init_weights": "mam_adapter"}),
    "valid_old": adapter({"non_linearity": "gelu_orig"}, version=None),
    "valid_own_init": adapter(adapter_cl={"init_weights": "identity"}),
    "scaling_whole": adapter({"scaling": 4}),
    "scaling_huge": adapter({"scaling": 1e300}),
    "factor_0": adapter({"reduction_factor": 0}),
    "factor_tiny": adapter({"reduction_factor": 1e-30}),
    "factor_of_no_layer": adapter({"reduction_factor": {"-1": 2}}),
    "layer_huge": adapter({"leave_out": [10**18]}),
    "phm": adapter({"phm_layer": True}),
    "unknown": adapter({"x": [1]}),
    "name_with_dot": adapter(name="a.b"),
    "labels_twice": adapter() + head(label2id={"no": 0, "yes": 0}),
    "labels_many": adapter() + head(num_labels=20000, label2id=None),
    "sizes_differ": adapter(hidden_size=33) + head(),
    "not_json": b"{",
    "empty": b"",
}


def main():
    for folder, files in (("safetensors", SAFETENSORS), ("npy", NPY), ("tokenizer", TOKENIZER),
                          ("pickle", PICKLE), ("adapter_config", ADAPTER_CONFIG)):
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (CORPUS / folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
