#include "nlcl/model/networks.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>

#include "nlcl/io/module_state.hpp"
#include "support/errors.hpp"
#include "support/tensors.hpp"

using namespace nlcl;
using namespace nlcl::test;

TEST_CASE("the parameters of the networks have the names of the published code", "[model]") {
  Networks<float> networks;
  std::map<std::string, Index> counts;
  std::set<std::string> names;
  for_each_parameter(networks, [&](const std::string& name, const Tensor<float>& parameter) {
    CHECK(names.insert(name).second);
    counts[name.substr(0, name.find('.'))] += parameter.size();
  });
  CHECK(counts == std::map<std::string, Index>{{"G_B", 316'195},
                                               {"G_R", 316'195},
                                               {"D", 2'764'737},
                                               {"F_loc", 371'200},
                                               {"F_back", 379'648},
                                               {"F_rain", 379'648}});
  for (const char* name :
       {"G_B.gen.16.model.1.conv.bias", "D.model.11.weight", "F_loc.mlp_4.2.bias", "F_rain.mlp_0.0.weight"})
    CHECK(names.contains(name));
}

TEST_CASE("networks that are alike begin with different weights", "[model]") {
  const Networks<float> networks{Random(1)}, again{Random(1)}, other{Random(2)};
  CHECK_FALSE(same_bits(networks.clean.head.weight, networks.rain.head.weight));
  CHECK_FALSE(
      same_bits(networks.background_layer.heads[0].first.weight, networks.rain_layer.heads[0].first.weight));
  CHECK(same_bits(networks.rain_layer.heads[3].second.weight, again.rain_layer.heads[3].second.weight));
  CHECK_FALSE(same_bits(networks.rain_layer.heads[3].second.weight, other.rain_layer.heads[3].second.weight));
}
