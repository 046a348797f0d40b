// Training, one step at a time.
//
// Everything random in a step is drawn from (seed, step), and everything else is in the networks and the
// optimisers: with these, a run continues as if it had never stopped.
//
// On a CUDA device a step asks the CPU nothing. What is its own, the images, the queries and the rates of the
// optimisers, is written to the same places of the device each time; everything after that is the same work on
// the same addresses, so it is recorded as a graph in the second step and replayed from then on. The losses
// come back in one copy at its end.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nlcl/io/module_state.hpp"
#include "nlcl/model/objective.hpp"
#include "nlcl/train/adam.hpp"
#include "nlcl/train/communicator.hpp"
#include "nlcl/train/gradient_sum.hpp"
#include "nlcl/train/loader.hpp"
#include "nlcl/train/recorded_step.hpp"
#include "nlcl/train/term_gradients.hpp"
#include "nlcl/train/trainer_options.hpp"

namespace nlcl {

// The losses of a step by name, in the order of the objective; means over the micro-batches.
using Losses = std::vector<std::pair<std::string, double>>;

class Trainer {
 public:
  // `ranks`, which outlive the trainer, all have the same options but for the device. Throws Error for terms that no log
  // could tell apart, or none of a weight above 0, and DeviceError.
  explicit Trainer(const TrainerOptions& options, Communicator& ranks = alone())
      : options_(options),
        ranks_(ranks),
        networks_(Random(options_.seed, initial_weights), options_.networks),
        generator_adam_(options_.adam),
        discriminator_adam_(options_.adam) {
    require_available(options_.device);
    check_terms();
    if (options_.average > 0) {
      average_.emplace();
      copy_weights(networks_.clean, average_->first);
      copy_weights(networks_.rain, average_->second);
      to(average_->first, options_.device);
      to(average_->second, options_.device);
    }
    to(networks_, options_.device);
    networks_.for_each_network("", [&](const std::string& name, auto& network) {
      (name == "D" ? discriminator_adam_ : generator_adam_).add(name, network);
    });
  }

  // Bytes that training needs on the CPU for batches of so many pixels in all, as measured: the networks and their
  // optimisers, what a step keeps on the tape, and the weights as the widest registers want them.
  static double memory(const TrainerOptions& options, Index pixels) {
    return 125e6 + memory_per_pixel(options.objective.terms) * static_cast<double>(pixels);
  }

  std::uint64_t step() const { return step_; }  // steps taken
  const TrainerOptions& options() const { return options_; }
  Networks<float>& networks() { return networks_; }

  // The generators to derain with: the averaged ones where they are kept.
  Generator<float>& clean() { return average_ ? average_->first : networks_.clean; }
  Generator<float>& rain() { return average_ ? average_->second : networks_.rain; }

  // How hard each term pulls at the networks of now, with the queries of the next step; changes nothing.
  std::vector<TermGradient> term_gradients(const Batch& batch) {
    return nlcl::term_gradients(networks_, options_.objective, on_device(batch), draw(batch, 0).to(device()));
  }

  // One step on the sum over `batches` of their losses: more than one is a larger batch in the memory of a small one. Each
  // rank has as many, those numbered rank, rank + ranks, rank + 2 ranks and so on. Throws Error, on all ranks, when a loss
  // is not a number. On the CPU parameters are then as they were before the optimiser that would have used it; a CUDA
  // device has taken the step by then, so that a run goes on from its last checkpoint.
  Losses run(const std::vector<Batch>& batches) {
    start(batches);
    return finish();
  }

  // The two halves of run(). A CUDA device computes between them, while the CPU may do something else.
  void start(const std::vector<Batch>& batches) {
    require<ShapeError>(!batches.empty(), "train: a step without a batch");
    require<ShapeError>(batches_of_step(batches) <= most_batches, "train: a step of ",
                        batches_of_step(batches), " batches, expected ", most_batches, " at most");
    const double rate = learning_rate(options_, step_);
    prepare_losses(batches.size());
    discriminator_adam_.set_steps(step_);  // a step that failed does not count
    generator_adam_.set_steps(step_);
    discriminator_adam_.begin_step(rate * options_.discriminator_rate);
    generator_adam_.begin_step(rate);
    std::vector<Queries> queries;
    for (std::size_t i = 0; i < batches.size(); ++i)
      queries.push_back(draw(batches[i], i * ranks() + static_cast<std::size_t>(ranks_.rank())));
    if constexpr (has_cuda)
      if (device().is_cuda() && options_.graph && ranks_.can_be_recorded() && !cuda::is_synchronous())
        return recorded_.run(device(), batches, queries,
                             [this](const auto& here, const auto& at) { compute(here, at); });
    compute(batches, queries);
  }

  Losses finish() {
    const Tensor<float> values = losses_.to(Device::cpu());  // waits for the device
    const std::vector<std::vector<float>> all = gather(ranks_, values.values());
    Losses losses;
    for (std::size_t i = 0; i < noted_.size() * all.size(); ++i) {
      const Noted& noted = noted_[i / all.size()];  // in the order of the batches
      const auto value = static_cast<double>(all[i % all.size()][i / all.size()]);
      require_finite(noted.name, value);
      const auto known =
          std::find_if(losses.begin(), losses.end(), [&](const auto& l) { return l.first == noted.name; });
      if (known == losses.end())
        losses.emplace_back(noted.name, noted.share * value);
      else
        known->second += noted.share * value;
    }
    ++step_;
    return losses;
  }

  // Everything that the next step depends on, but for the options and the data.
  StateFile state() {
    StateFile file = state_of(*this);
    for (const std::string& name : moments_of_form()) detail::add_beside(file, name, 0);
    file.metadata["step"] = std::to_string(step_);
    return file;
  }

  // Throws FormatError, before anything is changed, for a state of other networks, networks of another form, or
  // without its step.
  void load(const StateFile& file) {
    const auto step = file.metadata.find("step");
    require<FormatError>(step != file.metadata.end() && !step->second.empty() && step->second.size() < 19 &&
                             step->second.find_first_not_of("0123456789") == std::string::npos,
                         "checkpoint: expected the number of steps in its metadata");
    const std::vector<std::string> ignored = moments_of_form();
    load_state(*this, file, [&](std::string_view name) { return std::ranges::count(ignored, name) > 0; });
    step_ = std::stoull(step->second);
    generator_adam_.set_steps(step_);
    discriminator_adam_.set_steps(step_);
  }

  // A new run that begins with the networks of another. Throws as load() does.
  void begin_from(const StateFile& file) {
    load(file);
    step_ = 0;
    generator_adam_.restart();
    discriminator_adam_.restart();
  }

  // Names of a checkpoint: G_B.gen.0.weight, adam.G_B.gen.0.weight.mean and .square, average.G_B.gen.0.weight, ...
  void parameters(const std::string& prefix, const auto& visit) {
    networks_.parameters(prefix, visit);
    generator_adam_.parameters(join_name(prefix, "adam"), visit);
    discriminator_adam_.parameters(join_name(prefix, "adam"), visit);
    if (average_) {
      average_->first.parameters(join_name(prefix, "average.G_B"), visit);
      average_->second.parameters(join_name(prefix, "average.G_R"), visit);
    }
  }

  // Constants: the averages have the form of the networks, and these that of the options.
  void form(const std::string& prefix, const auto& visit) {
    networks_.form(prefix, visit);
    if (!average_) return;
    const auto as_constant = [&](const std::string& name, const auto& value, Index smallest, Index largest) {
      visit(name, value, smallest, largest);
    };
    average_->first.form(join_name(prefix, "average.G_B"), as_constant);
    average_->second.form(join_name(prefix, "average.G_R"), as_constant);
  }

 private:
  // Streams of random numbers below the seed. Steps have the rest, of which each batch takes one.
  static constexpr std::uint64_t initial_weights = 0, first_step = std::uint64_t{1} << 32,
                                 most_batches = 4096;

  static Communicator& alone() {
    static Alone only;
    return only;
  }

  Device device() const { return options_.device; }

  Queries draw(const Batch& batch, std::size_t part) const {
    Random random(options_.seed, first_step + step_ * most_batches + part);
    return Queries::draw(batch.rainy.shape(), random);
  }

  // A step. On a CUDA device it asks nothing of the CPU, where the ranks ask nothing of it.
  void compute(const std::vector<Batch>& batches, const std::vector<Queries>& queries) {
    noted_.clear();
    const cuda::PackedWeights::Use use(packed_);
    if (batches_of_step(batches) > 1)
      compute_sum(batches, queries);
    else
      compute_one(batches[0], queries[0]);
    update_averages();
  }

  void compute_one(const Batch& batch, const Queries& queries) {
    const Batch here = on_device(batch);
    const Queries at = queries.to(device());
    Tape<float> tape;  // one forward pass serves both steps
    const Objective<float> objective(networks_, options_.objective, here.rainy, here.clean, here.drawn);
    if (options_.objective.needs(Pass::discriminator))
      discriminator_adam_.update_parameters(discriminator_gradients(objective.background(), here.clean, 1));
    generator_adam_.update_parameters(generator_gradients(tape, objective, at, 1));
  }

  // Of several batches, here or on all ranks.
  void compute_sum(const std::vector<Batch>& batches, const std::vector<Queries>& queries) {
    const double share = 1.0 / static_cast<double>(batches_of_step(batches));
    if (options_.objective.needs(Pass::discriminator)) {
      GradientSum of_discriminator = gradient_sum();
      for (const Batch& batch : batches)
        of_discriminator.add([&] {
          const Batch here = on_device(batch);
          const Tensor<float> background = [&] {
            const NoGrad no_grad;
            return networks_.clean(here.rainy);
          }();
          return discriminator_gradients(background, here.clean, share);
        });
      discriminator_adam_.update_parameters(of_discriminator.take());
    }
    GradientSum of_generators = gradient_sum();
    for (std::size_t i = 0; i < batches.size(); ++i)
      of_generators.add([&] {
        const Batch here = on_device(batches[i]);
        const Queries at = queries[i].to(device());
        Tape<float> tape;
        const Objective<float> objective(networks_, options_.objective, here.rainy, here.clean, here.drawn);
        return generator_gradients(tape, objective, at, share);
      });
    generator_adam_.update_parameters(of_generators.take());
  }

  std::size_t ranks() const { return static_cast<std::size_t>(ranks_.size()); }
  std::size_t batches_of_step(const std::vector<Batch>& mine) const { return mine.size() * ranks(); }

  GradientSum gradient_sum() {
    std::vector<Tensor<float>> parameters;
    for_each_parameter(networks_,
                       [&](const std::string&, const Tensor<float>& value) { parameters.push_back(value); });
    return {ranks_, std::move(parameters)};
  }

  Batch on_device(const Batch& batch) const {
    Batch here;
    for (auto part : Batch::parts())
      if (batch.*part) here.*part = (batch.*part).to(device());
    return here;
  }

  Gradients<float> discriminator_gradients(const Tensor<float>& background, const Tensor<float>& clean,
                                           double share) {
    set_trainable(networks_.discriminator, true);
    Tape<float> tape;
    const Tensor<float> loss = discriminator_loss(networks_.discriminator, background, clean);
    note("discriminator", loss, share);
    return tape.backward(scale(loss, share));
  }

  Gradients<float> generator_gradients(Tape<float>& tape, const Objective<float>& objective,
                                       const Queries& queries, double share) {
    set_trainable(networks_.discriminator, false);  // it judges, and does not learn here
    const GeneratorLosses<float> found = objective.generator_losses(queries);
    for (const auto& [name, loss] : found.terms) note(name, loss, share);
    note("total", found.total, share);
    return tape.backward(scale(found.total, share));
  }

  // ---- Losses. Each has a place in losses_, which is read once, when the step is done.

  void prepare_losses(std::size_t parts) {
    const std::size_t names = options_.objective.terms.size() + 2;  // and the discriminator's and the total
    const Shape shape{static_cast<Index>(parts * names)};
    if (losses_ && losses_.shape() == shape) return;
    recorded_.forget();  // it writes to the old ones
    losses_ = Tensor<float>::zeros(shape, device());
  }

  void note(const std::string& name, const Tensor<float>& loss, double share) {
    const std::size_t place = noted_.size();
    require<Error>(static_cast<Index>(place) < losses_.size(), "train: no place for the loss '", name, "'");
    noted_.push_back({name, share});
    if constexpr (has_cuda)
      if (device().is_cuda())
        return cuda::copy(losses_.mutable_data() + place, device(), loss.data(), device(), sizeof(float));
    losses_.mutable_data()[place] = loss.item();
    require_finite(name, static_cast<double>(loss.item()));
  }

  void require_finite(const std::string& name, double value) const {
    require<Error>(std::isfinite(value), "train: the loss '", name, "' is ", value, " at step ", step_);
  }

  // A row cannot have the name of another loss of the log.
  void check_terms() const {
    std::set<std::string> names{"discriminator", "total"};
    bool is_active = false;
    for (const Term<float>& term : options_.objective.terms) {
      require<Error>(names.insert(term.name).second, "train: two losses have the name '", term.name, "'");
      is_active |= term.weight != 0;
    }
    require<Error>(is_active, "train: all terms have weight 0");
  }

  // Once the numbers of a form were parameters, with moments of their own, which no gradient ever changed. Programs of
  // then ask for them; here they are written as zeros, and passed over.
  std::vector<std::string> moments_of_form() {
    std::vector<std::string> names;
    networks_.form("adam", [&](const std::string& name, Index value, Index, Index) {
      if (value == 0) return;
      for (const char* moment : {".mean", ".square"}) names.push_back(name + moment);
    });
    return names;
  }

  static void copy_weights(Generator<float>& from, Generator<float>& to) { load_state(to, state_of(from)); }

  void update_averages() {
    if (!average_) return;
    std::vector<Tensor<float>> means, values;
    const auto add_to = [](std::vector<Tensor<float>>& all) {
      return [&all](const std::string&, const Tensor<float>& value) { all.push_back(value); };
    };
    for (Generator<float>* generator : {&networks_.clean, &networks_.rain})
      for_each_parameter(*generator, add_to(values));
    for (Generator<float>* generator : {&average_->first, &average_->second})
      for_each_parameter(*generator, add_to(means));
    nlcl::update_averages(means, values, MovingAverage<float>{static_cast<float>(options_.average)});
  }

  TrainerOptions options_;
  Communicator& ranks_;
  Networks<float> networks_;
  Adam<float> generator_adam_, discriminator_adam_;
  cuda::PackedWeights packed_;  // of a step; a recorded one reads and writes them
  std::optional<std::pair<Generator<float>, Generator<float>>> average_;
  std::uint64_t step_ = 0;

  struct Noted {
    std::string name;
    double share;
  };
  std::vector<Noted> noted_;  // of the step; a recorded one notes what it noted when it was recorded
  Tensor<float> losses_;      // their values
  RecordedStep recorded_;
};

}  // namespace nlcl
