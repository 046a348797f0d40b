#define NLCL_INSTANCE template
#include "support/instances.hpp"
