// Training, one step at a time.
//
// Everything random in a step is drawn from (seed, step), and everything else is in the networks and the
// optimisers: with these, a run continues as if it had never stopped.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nlcl/io/module_state.hpp"
#include "nlcl/model/objective.hpp"
#include "nlcl/train/adam.hpp"
#include "nlcl/train/loader.hpp"

namespace nlcl {

struct TrainerOptions {
  std::uint64_t seed = 0;
  std::uint64_t steps = 20000;       // of the whole run
  std::uint64_t decay_steps = 1000;  // at its end, while the learning rate falls linearly to zero
  double learning_rate = 2e-4;
  double discriminator_rate = 1;  // D's learning rate as a multiple of it
  AdamOptions adam;
  double average = 0;  // EMA of the generators: 0 keeps none, 0.999 a mean over about a thousand steps
  NetworkOptions networks;
  ObjectiveOptions objective;
};

// The rate of a step, counted from 0.
inline double learning_rate(const TrainerOptions& o, std::uint64_t step) {
  const std::uint64_t decay = std::min(o.decay_steps, o.steps), constant = o.steps - decay;
  if (step < constant) return o.learning_rate;
  return o.learning_rate * (1 - static_cast<double>(step - constant + 1) / static_cast<double>(decay + 1));
}

// The losses of a step by name, in the order of the objective; means over the micro-batches.
using Losses = std::vector<std::pair<std::string, double>>;

class Trainer {
 public:
  explicit Trainer(const TrainerOptions& options)
      : options_(options),
        networks_(Random(options_.seed, initial_weights), options_.networks),
        generator_adam_(options_.adam),
        discriminator_adam_(options_.adam) {
    networks_.for_each_network("", [&](const std::string& name, auto& network) {
      (name == "D" ? discriminator_adam_ : generator_adam_).add(name, network);
    });
    if (options_.average > 0) {
      average_.emplace();
      copy_weights(networks_.clean, average_->first);
      copy_weights(networks_.rain, average_->second);
    }
  }

  std::uint64_t step() const { return step_; }  // steps taken
  const TrainerOptions& options() const { return options_; }
  Networks<float>& networks() { return networks_; }

  // The generators to derain with: the averaged ones where they are kept.
  Generator<float>& clean() { return average_ ? average_->first : networks_.clean; }
  Generator<float>& rain() { return average_ ? average_->second : networks_.rain; }

  // One step on the sum over `batches` of their losses: more than one is a larger batch in the memory of a
  // small one. Throws Error when a loss is not a number; parameters are then as they were before the
  // optimiser that would have used it.
  Losses run(const std::vector<Batch>& batches) {
    const double share = 1.0 / static_cast<double>(batches.size()), rate = learning_rate(options_, step_);
    Losses losses;
    if (batches.size() == 1) {
      Tape<float> tape;  // one forward pass serves both steps
      const Objective<float> objective(networks_, options_.objective, batches[0].rainy, batches[0].clean);
      discriminator_adam_.step(discriminator_gradients(objective.back(), batches[0].clean, share, losses),
                               rate * options_.discriminator_rate);
      generator_adam_.step(generator_gradients(tape, objective, 0, share, losses), rate);
    } else {
      Gradients<float> of_discriminator, of_generators;
      for (const Batch& batch : batches) {
        const Tensor<float> back = [&] {
          const NoGrad no_grad;
          return networks_.clean(batch.rainy);
        }();
        of_discriminator.add(discriminator_gradients(back, batch.clean, share, losses));
      }
      discriminator_adam_.step(of_discriminator, rate * options_.discriminator_rate);
      for (std::size_t i = 0; i < batches.size(); ++i) {
        Tape<float> tape;
        const Objective<float> objective(networks_, options_.objective, batches[i].rainy, batches[i].clean);
        of_generators.add(generator_gradients(tape, objective, i, share, losses));
      }
      generator_adam_.step(of_generators, rate);
    }
    if (average_) {
      update_average(networks_.clean, average_->first);
      update_average(networks_.rain, average_->second);
    }
    ++step_;
    return losses;
  }

  // Everything that the next step depends on, but for the options and the data.
  StateFile state() {
    StateFile file = state_of(*this);
    file.metadata["step"] = std::to_string(step_);
    return file;
  }

  // Throws FormatError, before anything is changed, for a state of other networks or without its step.
  void load(const StateFile& file) {
    const auto step = file.metadata.find("step");
    require<FormatError>(step != file.metadata.end() && !step->second.empty() && step->second.size() < 19 &&
                             step->second.find_first_not_of("0123456789") == std::string::npos,
                         "checkpoint: expected the number of steps in its metadata");
    load_state(*this, file);
    step_ = std::stoull(step->second);
    generator_adam_.set_steps(step_);
    discriminator_adam_.set_steps(step_);
  }

  void parameters(const std::string& prefix, const auto& visit) {
    networks_.parameters(prefix, visit);
    generator_adam_.parameters(join_name(prefix, "adam"), visit);
    discriminator_adam_.parameters(join_name(prefix, "adam"), visit);
    if (average_) {
      average_->first.parameters(join_name(prefix, "average.G_B"), visit);
      average_->second.parameters(join_name(prefix, "average.G_R"), visit);
    }
  }

 private:
  // Streams of random numbers below the seed. Steps have the rest.
  static constexpr std::uint64_t initial_weights = 0, first_step = std::uint64_t{1} << 32;

  Gradients<float> discriminator_gradients(const Tensor<float>& back, const Tensor<float>& clean,
                                           double share, Losses& losses) {
    set_trainable(networks_.discriminator, true);
    Tape<float> tape;
    const Tensor<float> loss = discriminator_loss(networks_.discriminator, back, clean);
    note(losses, "discriminator", loss, share);
    return tape.backward(scale(loss, share));
  }

  Gradients<float> generator_gradients(Tape<float>& tape, const Objective<float>& objective, std::size_t part,
                                       double share, Losses& losses) {
    set_trainable(networks_.discriminator, false);  // it judges, and does not learn here
    Random random(options_.seed, first_step + step_ * 4096 + part);
    Queries queries;
    for (auto* query : {&queries.rainy, &queries.clean, &queries.back, &queries.rain})
      *query = draw_queries(objective.back().shape(), random);
    const GeneratorLosses<float> found = objective.generator_losses(queries);
    note(losses, "adversarial", found.adversarial, share);
    note(losses, "location_rainy", found.location_rainy, share);
    note(losses, "location_clean", found.location_clean, share);
    note(losses, "layer", found.layer, share);
    note(losses, "consistency", found.consistency, share);
    note(losses, "sparsity", found.sparsity, share);
    note(losses, "total", found.total, share);
    return tape.backward(scale(found.total, share));
  }

  void note(Losses& losses, const std::string& name, const Tensor<float>& loss, double share) const {
    if (!loss) return;
    const double value = static_cast<double>(loss.item());
    require<Error>(std::isfinite(value), "train: the loss '", name, "' is ", value, " at step ", step_);
    for (auto& [known, sum] : losses)
      if (known == name) {
        sum += share * value;
        return;
      }
    losses.emplace_back(name, share * value);
  }

  static void copy_weights(Generator<float>& from, Generator<float>& to) { load_state(to, state_of(from)); }

  // a = k a + (1 - k) w
  void update_average(Generator<float>& from, Generator<float>& to) {
    std::vector<Tensor<float>> weights;
    for_each_parameter(from,
                       [&](const std::string&, const Tensor<float>& value) { weights.push_back(value); });
    std::size_t next = 0;
    const float keep = static_cast<float>(options_.average);
    for_each_parameter(to, [&](const std::string&, Tensor<float>& value) {
      const float* const w = weights[next++].data();
      if (!value.requires_grad()) return;  // the mark of a skip, which is no number to average
      float* const a = value.mutable_data();
      for (Index i = 0; i < value.size(); ++i) a[i] = keep * a[i] + (1 - keep) * w[i];
    });
  }

  TrainerOptions options_;
  Networks<float> networks_;
  Adam<float> generator_adam_, discriminator_adam_;
  std::optional<std::pair<Generator<float>, Generator<float>>> average_;
  std::uint64_t step_ = 0;
};

}  // namespace nlcl
