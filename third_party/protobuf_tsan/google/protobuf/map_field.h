#pragma once

// Under ThreadSanitizer protobuf's header gives its map fields two members more. Debian's libprotobuf and the generated
// code (//api:build_once.bzl) are built without it, so that both sides must see the same class.
#ifdef __SANITIZE_THREAD__
#undef __SANITIZE_THREAD__
#include_next <google/protobuf/map_field.h>
#define __SANITIZE_THREAD__ 1
#else
#include_next <google/protobuf/map_field.h>
#endif
