// A training step of the causal VAE: the evidence bound, labels, independence, and the match of moved controls.
#include <algorithm>
#include <cmath>

#include "kernels/core/philox.h"
#include "kernels/pointwise/pointwise.h"
#include "models/causal_vae.h"

namespace perturbine {

// What a step reads. The first rows are any cells; then come control cells and as many perturbed ones of one condition
// in the same context, which the moved controls are matched with.
struct CausalVae::Batch {
  std::size_t free_rows, matched;
  Buffer<float> positions, starts, library, row_weight, label_weight, gate_weight, same, cross, gammas, one, strength;
  DecodedGenes genes;
  Buffer<std::int32_t> offset_row, batch_row, context_label, batch_label, perturbed_label;
  Buffer<std::uint64_t> offset;
  Buffer<float> offset_table, batch_table;  // [pairs, genes], [batches, genes]
  OperatorBatch conditions, moves, contexts, batches;

  Batch(Queue& q, const CausalVae& m, std::size_t rows, std::size_t match)
      : free_rows(rows - 2 * match),
        matched(match),
        positions(q, rows * m.width()),
        starts(q, rows * m.width()),
        library(q, rows),
        row_weight(q, std::vector<float>(rows, 1.0f / static_cast<float>(rows))),
        label_weight(
            q, std::vector<float>(rows, static_cast<float>(m.options_.disentangle_weight) / static_cast<float>(rows))),
        // An open gate costs a nat.
        gate_weight(q, std::vector<float>(rows, static_cast<float>(m.width()) / static_cast<float>(rows))),
        one(q, std::vector<float>{1}),
        // n HSIC is of the order of one for independent latents.
        strength(q, std::vector<float>{static_cast<float>(m.options_.disentangle_weight) * static_cast<float>(rows)}),
        genes(q, m.compressed_, m.data().genes, rows),
        offset_row(q, rows),
        batch_row(q, rows),
        context_label(q, rows),
        batch_label(q, rows),
        perturbed_label(q, rows),
        offset(q, 1),
        conditions(q, rows, m.vocabulary_.most_parts()),
        moves(q, rows, m.vocabulary_.most_parts()),
        contexts(q, rows, 1),
        batches(q, rows, 1) {
    std::vector<float> table;
    for (const Pair& p : m.pairs_) {
      const auto row = m.gene_offset(p.query);
      table.insert(table.end(), row.begin(), row.end());
    }
    offset_table = Buffer<float>(q, table);
    table.clear();
    for (const auto& row : m.batch_offset_) table.insert(table.end(), row.begin(), row.end());
    batch_table = Buffer<float>(q, table);
    if (match == 0) return;
    const auto n = static_cast<float>(match), w = static_cast<float>(m.options_.causal_weight);
    same = Buffer<float>(q, std::vector<float>(match, w / (n * (n - 1))));
    cross = Buffer<float>(q, std::vector<float>(match, -2 * w / (n * n)));
    // Kernels about as wide as the cloud of states: its mean squared distance is twice the total variance.
    float total = 0;
    for (std::size_t k = 0; k < m.width(); ++k) total += m.variance_[k] * static_cast<float>(m.kept_[k]);
    std::vector<float> widths;
    for (const float factor : {.25f, .5f, 1.0f, 2.0f, 4.0f}) widths.push_back(factor / (2 * total));
    gammas = Buffer<float>(q, widths);
  }
};

NetworkModel::StepParts CausalVae::training_step(Queue& queue) const {
  const TrainingData& d = data();
  const std::size_t rows = options_.batch_size, K = width(), G = d.genes;
  // Conditions with cells enough on both sides.
  struct Match {
    const Pair *controls, *perturbed;
  };
  std::vector<Match> matches;
  for (const Pair& p : pairs_)
    for (const Pair& c : pairs_)
      if (!p.query.condition.is_control() && c.query.condition.is_control() && c.query.context == p.query.context &&
          p.cells.size() >= 8 && c.cells.size() >= 8)
        matches.push_back({&c, &p});
  const std::size_t matched = options_.causal_weight > 0 && !matches.empty() ? rows / 4 : 0;
  const auto batch = std::make_shared<Batch>(queue, *this, rows, matched);
  StepParts parts;
  parts.fill = [this, &queue, &d, batch, matches, rows, K, matched](std::size_t step) {
    std::vector<std::size_t> cells;
    for (std::size_t i = 0; i < batch->free_rows; ++i)
      cells.push_back(below(philox(options_.seed ^ 0xce11ull, step, i).word[0], d.cells()));
    const Match* match =
        matched == 0 ? nullptr : &matches[below(philox(options_.seed ^ 0x3a7cull, step, 0).word[0], matches.size())];
    // Distinct cells where there are enough: the unbiased MMD counts pairs of different cells.
    auto add_some = [&](const Pair& p, std::uint64_t stream) {
      std::vector<std::size_t> left(p.cells);
      for (std::size_t i = 0; i < matched; ++i) {
        const std::size_t n = left.size() - i % left.size(), at = i % left.size();
        std::swap(left[at], left[at + below(philox(options_.seed ^ stream, step, i).word[0], n)]);
        cells.push_back(left[at]);
      }
    };
    if (match != nullptr) add_some(*match->controls, 0xc0ull), add_some(*match->perturbed, 0x9eull);
    std::vector<float> positions, starts, library;
    std::vector<std::int32_t> pair, batch_of, context, perturbed;
    HostOperators conditions(batch->conditions.slots()), moves(batch->moves.slots()), contexts(1), batches(1);
    auto one_of = [](HostOperators& o, std::size_t n) {
      o.index[0].push_back(static_cast<std::int32_t>(n)), o.present[0].push_back(1), o.dose[0].push_back(1);
    };
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = cells[r];
      positions.insert(positions.end(), positions_.begin() + static_cast<std::ptrdiff_t>(i * K),
                       positions_.begin() + static_cast<std::ptrdiff_t>((i + 1) * K));
      starts.insert(starts.end(), starts_.begin() + static_cast<std::ptrdiff_t>(i * K),
                    starts_.begin() + static_cast<std::ptrdiff_t>((i + 1) * K));
      library.push_back(static_cast<float>(d.library_size[i]));
      pair.push_back(static_cast<std::int32_t>(pair_of_cell_[i]));
      batch_of.push_back(static_cast<std::int32_t>(d.batch_of(i)));
      context.push_back(d.context[i]);
      perturbed.push_back(d.condition[i] == 0 ? 0 : 1);
      conditions.add_row(vocabulary_, &pairs_[pair_of_cell_[i]].query.condition);
      const bool moved = match != nullptr && r >= batch->free_rows && r < batch->free_rows + matched;
      moves.add_row(vocabulary_, moved ? &match->perturbed->query.condition : nullptr);
      one_of(contexts, static_cast<std::size_t>(d.context[i])), one_of(batches, d.batch_of(i));
    }
    batch->genes.set(queue, cells, options_.seed, step);
    batch->positions.set(queue, positions), batch->starts.set(queue, starts), batch->library.set(queue, library);
    batch->offset_row.set(queue, pair), batch->batch_row.set(queue, batch_of);
    batch->context_label.set(queue, context), batch->batch_label.set(queue, batch_of);
    batch->perturbed_label.set(queue, perturbed);
    batch->conditions.set(queue, conditions), batch->moves.set(queue, moves);
    batch->contexts.set(queue, contexts), batch->batches.set(queue, batches);
    batch->offset.set(queue, {step});
  };
  parts.loss = [this, &queue, batch, rows, K, G, matched](Tape& t) -> RowLosses {
    const auto weight = batch->row_weight.view(), label_weight = batch->label_weight.view();
    const EncodedCells e = autoencoder_->encode(t, t.constant(batch->positions.matrix(rows, K)),
                                                t.constant(batch->starts.matrix(rows, K)));
    const auto draw = [&](const LatentGroup& g, std::uint64_t stream) {
      return ops::reparameterise(t, g.mean, g.log_variance, batch->offset.view(), options_.seed ^ stream);
    };
    const Var state = draw(e.state, 0x57a7e), identity = draw(e.identity, 0x1de9),
              technical = draw(e.technical, 0x7ec4);
    // Offsets of the rows' conditions, contexts and batches: constants.
    const std::size_t pairs = batch->offset_table.size() / G;
    const DecodedGenes& genes = batch->genes;
    const ops::Choice choice = genes.choice();
    const ops::Choice* some = genes.all() ? nullptr : &choice;
    const MatrixView<float> offset = t.arena().matrix<float>(rows, genes.count());
    queue.run(GatherRows<float>{batch->offset_table.matrix(pairs, G), batch->offset_row.view(), offset, choice.index});
    if (sizes_.batches > 1) {
      const MatrixView<float> of_batch = t.arena().matrix<float>(rows, genes.count());
      queue.run(GatherRows<float>{batch->batch_table.matrix(sizes_.batches, G), batch->batch_row.view(), of_batch,
                                  choice.index});
      queue.run(Combine<float>{offset, of_batch, offset, 1, 1});
    }
    const DecodedCells decoded = autoencoder_->decode(t, state, identity, technical, t.constant(offset), some);
    Var mean = decoded.logits, gene = decoded.gene_parameter;
    if (counts_decoder()) {
      mean = ops::library_rate(t, mean, batch->library.view(), false, 0);
      gene = ops::library_rate(t, gene, batch->one.view(), false);
    }
    RowLosses losses;
    for (const DecodedGenes::Group& group : genes.groups()) {
      const auto part = [&](Var of_all) { return genes.all() ? of_all : t.slice(of_all, group.first, group.count); };
      const Var zero = zero_logits() ? part(decoded.zero) : Var{};
      const auto likelihood = counts_decoder() ? ops::count_likelihood : ops::value_likelihood;
      losses.terms.push_back({likelihood(t, group.cells(), part(mean), zero_logits() ? &zero : nullptr, part(gene),
                                         group.row_weight.view()),
                              group.weight});
    }
    const auto divergence = [&](const LatentGroup& g, Var prior_mean, Parameter prior) {
      ops::gaussian_divergence(t, g.mean, g.log_variance, prior_mean, ops::parameter(t, prior), weight);
    };
    divergence(e.state, operators_->shift(t, batch->conditions), autoencoder_->state_prior);
    divergence(e.identity, ops::set_embedding(t, autoencoder_->identity_table, batch->contexts.sets(0, false), rows),
               autoencoder_->identity_prior);
    divergence(e.technical, ops::set_embedding(t, autoencoder_->technical_table, batch->batches.sets(0, false), rows),
               autoencoder_->technical_prior);
    // Labels. Whether a cell is perturbed is read off its state, not written into it.
    const LabelLogits labels = autoencoder_->labels(t, ops::reverse_gradient(t, state, 0), identity, technical);
    ops::softmax_cross_entropy(t, labels.context, batch->context_label.view(), label_weight);
    ops::softmax_cross_entropy(t, labels.batch, batch->batch_label.view(), label_weight);
    ops::softmax_cross_entropy(t, labels.perturbed, batch->perturbed_label.view(), weight);
    if (options_.disentangle == "adversary" && (sizes_.contexts > 1 || sizes_.batches > 1)) {
      const LabelLogits guess = autoencoder_->adversary(t, ops::reverse_gradient(t, state, 1));
      ops::softmax_cross_entropy(t, guess.context, batch->context_label.view(), label_weight);
      ops::softmax_cross_entropy(t, guess.batch, batch->batch_label.view(), label_weight);
    } else if (options_.disentangle == "hsic") {
      const auto gamma = [](std::size_t n) { return 1 / (2 * static_cast<float>(n)); };
      const auto apart = [&](Var a, std::size_t width_a, Var b, std::size_t width_b) {
        ops::independence(t, a, b, gamma(width_a), gamma(width_b), batch->strength.view());
      };
      apart(state, sizes_.state, identity, sizes_.identity);
      apart(state, sizes_.state, technical, sizes_.technical);
      apart(identity, sizes_.identity, technical, sizes_.technical);
    }
    if (matched != 0) {
      const Var moved = ops::add(t, state, operators_->shift(t, batch->moves));
      ops::compare_sets(t, {moved, moved, batch->free_rows, matched, batch->free_rows + matched, matched,
                            batch->gammas.view(), batch->same.view(), batch->same.view(), batch->cross.view()});
    }
    operators_->penalise_gates(t, batch->conditions, batch->gate_weight.view());
    return losses;
  };
  return parts;
}

void CausalVae::resume(Queue& queue, const ProgressCallback& progress) {
  if (!train(queue, training_step(queue), 0, options_.steps, progress)) return;
  if (mean_share_ < 0) choose_mean_share(queue);
}

void CausalVae::set_state(Queue& queue, const State& s) {
  NetworkModel::set_state(queue, s);
  if (!s.choices.empty()) mean_share_ = s.choices[0];
}

NetworkModel::State CausalVae::state(Queue& queue) const {
  State s = NetworkModel::state(queue);
  s.choices = {mean_share_};
  return s;
}

std::vector<std::string> CausalVae::report() const {
  auto lines = backbone_->report();
  if (!share_report_.empty()) lines.push_back(share_report_);
  return lines;
}

}  // namespace perturbine
