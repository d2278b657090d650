#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes options.jsonl: what the Python package `tokenizers` makes of texts under other rules than
the defaults. Each line is a tokenizer_config.json and its cases, [text, ids]."""
import json
import pathlib

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

FOLDER = pathlib.Path(__file__).resolve().parent
SPECIAL = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
TEXTS = [
    "Where is my card?", "where is my card?", "naïve café déjà-vu", "naïve café",
    "İstanbul ıİi", "Å Å ǅ Σ ς ß ẞ", "a\u0301 e\u0323\u0301 n\u0303", "中文字符 and 漢字kanji",
    "[SEP] [sep] x[MASK]y", "[CLS][PAD]", "한국어", "a\u1b44\u0301\u302e\u0323b",
    "soft\u00adhyphen zero\u200bwidth \u0007bell", "tab\there\u000bvertical\u0085next",
    "new token newtoken New Token", "a newtoken, newtokens; xnewtoken newtoken.",
    "NEWTOKEN Ünï ünï uni", "<b>bold</b> <B>", "ab abc abcd abcde ab_ ab-", "中 x中y",
]
ADDED = [  # content, normalized, single_word, special
    ("newtoken", True, False, False), ("New Token", True, False, False),
    ("Ünï", True, False, False), ("<b>", False, False, True), ("abc", False, True, False),
    ("ab", False, False, False), ("abcd", False, False, False), ("中", True, False, False),
]
CONFIGS = [
    ({}, []), ({"do_lower_case": False}, []), ({"do_lower_case": False, "strip_accents": True}, []),
    ({"strip_accents": False}, []), ({"tokenize_chinese_chars": False}, []), ({}, ADDED),
    ({"do_lower_case": False, "tokenize_chinese_chars": False}, ADDED),
]


def read_vocabulary():
    lines = (FOLDER / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return {token: number for number, token in enumerate(lines)}


def reference(vocabulary, config, added):
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(
        clean_text=True, lowercase=config.get("do_lower_case", True),
        strip_accents=config.get("strip_accents"),
        handle_chinese_chars=config.get("tokenize_chinese_chars", True))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", vocabulary["[SEP]"]),
                                              ("[CLS]", vocabulary["[CLS]"]))
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in SPECIAL])
    for content, normalized, single_word, special in added:
        token = AddedToken(content, normalized=normalized, single_word=single_word, special=special)
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([token])
    return tokenizer


def main():
    vocabulary = read_vocabulary()
    with (FOLDER / "options.jsonl").open("w", encoding="utf-8") as out:
        for config, added in CONFIGS:
            tokenizer = reference(vocabulary, config, added)
            decoder = {str(tokenizer.token_to_id(content)):
                       {"content": content, "normalized": normalized, "single_word": single_word,
                        "special": special}
                       for content, normalized, single_word, special in added}
            written = {**config, **({"added_tokens_decoder": decoder} if added else {})}
            cases = [[text, tokenizer.encode(text).ids] for text in TEXTS]
            out.write(json.dumps({"config": written, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
