# SPDX-License-Identifier: MIT
# Completion of adapter-cl for bash. Commands and options are what the program's own help lists.

_adapter_cl_options() {
    adapter-cl "$1" --help 2>/dev/null | grep -oE '^ +(-[a-z], )?--[a-z0-9-]+' | grep -oE -- '--.*'
}

_adapter_cl_commands() {
    adapter-cl --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_adapter_cl_words() {
    case "$1 $2" in
    "bench --device" | "bench --engine") echo "all" ;;
    "embed --pooling") echo "none" ;;
    esac
    case "$2" in
    --device) echo "cpu gpu accelerator" ;;
    --engine) echo "auto gemm fused reference" ;;
    --tuning) echo "on off" ;;
    --passes) echo "forward forward_backward step step_recomputed latency base start all" ;;
    bench) echo "adapter encoder first-forward first-answer first-step" ;;
    --config) echo "houlsby pfeiffer parallel none" ;;
    --init) echo "identity houlsby houlsby_paper bert mam" ;;
    --optimizer) echo "adam adamw sgd" ;;
    --format) echo "json ids tokens" ;;
    --config) echo "houlsby pfeiffer parallel none" ;;
    --pooling) echo "cls mean" ;;
    --keep) echo "best last" ;;
    --cache-frozen) echo "auto memory off" ;;
    --scaling) [[ $1 == finetune ]] && echo "learned channel" ;;
    --place) echo "attention output" ;;
    --dtype) echo "f16 bf16" ;;
    --model-type) echo "bert distilbert" ;;
    --schedule) echo "linear cosine constant" ;;
    --activation)
        echo "relu relu6 leaky_relu elu celu selu gelu gelu_tanh quick_gelu silu mish sigmoid" \
            "tanh exp linear softplus softsign log_sigmoid hard_tanh hard_sigmoid hard_silu" \
            "softmax log_softmax log_sumexp"
        ;;
    -o | --output | --format)
        case "$1" in
        devices | eval | info | tune) echo "text json" ;;
        predict) echo "text tsv jsonl" ;;
        bench) echo "md csv json jsonl" ;;
        esac
        ;;
    esac
}

_adapter_cl() {
    local command=${COMP_WORDS[1]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local current=${COMP_WORDS[COMP_CWORD]} words
    if ((COMP_CWORD == 1)); then
        words="$(_adapter_cl_commands) --help --version"
    elif [[ $current == -* ]]; then
        words=$(_adapter_cl_options "$command")
    else
        words=$(_adapter_cl_words "$command" "$previous")
    fi
    # Where no words are known, files are (complete -o default).
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -o default -F _adapter_cl adapter-cl
