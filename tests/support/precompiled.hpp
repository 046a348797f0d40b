#pragma once
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/instances.hpp"
