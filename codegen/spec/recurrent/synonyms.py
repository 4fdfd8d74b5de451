"""What others call the fields and words of recurrent networks."""

from __future__ import annotations

from codegen.spec.synonyms import Synonyms

SCORES = {
    "additive": "bahdanau mlp",
    "dot": "dot_product scaled_dot",
    "bilinear": "general luong multiplicative",
}

SYNONYMS = Synonyms(
    fields={
        "model.width": "hidden_size hidden_dim hidden hidden_units n_hidden rnn_size d_model "
        "num_units units state_size nhid hidden_state_size rnn_units lstm_size",
        "model.layers": "num_layers n_layers num_hidden_layers n_layer nlayers depth "
        "num_rnn_layers",
        "model.cell": "rnn_type cell_type rnn unit_type model.type model.kind",
        "model.embedding": "emb",
        "model.embedding.dim": "embedding_dim embed_dim emb_dim embedding_size embed_size emsize "
        "ninp n_embd input_size embedding.width embedding.size",
        "model.embedding.tied": "tie_weights tie_embeddings tied_weights tie_word_embeddings "
        "weight_tying embedding.tie",
        "model.vocab_size": "vocab ntoken ntokens num_tokens n_tokens n_vocab",
        "model.context_length": "bptt seq_len sequence_length max_length max_len block_size "
        "seq_length max_seq_len",
        "model.projection": "proj_size projection_size",
        "model.dropout": "dropout_rate drop drop_rate dropout_p",
        "model.classes": "num_classes n_classes num_labels",
        "model.bidirectional": "bidir bi is_bidirectional birnn",
        "model.attention.score": "attention.kind attention.type attention.method attention_type",
        "model.attention.width": "attention.dim attention_dim attn_dim",
        "train.teacher_forcing": "teacher_forcing_ratio teacher_forcing_prob scheduled_sampling",
        "train.carry_state": "stateful",
    },
    words={
        "cell": {
            "rnn": "elman vanilla simple rnn_tanh simplernn",
            "lstm": "nn.lstm",
            "gru": "nn.gru",
        },
        "score": SCORES,
        "attention": SCORES,
        "pooling": {"mean": "avg average", "max": "maximum", "last": "final"},
    },
    unsaid={"batches come first in all that tgen makes": "batch_first time_major"},
    mains={"encoder": "width", "attention": "width"},
)
