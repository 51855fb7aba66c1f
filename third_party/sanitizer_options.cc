// Read by the sanitizers' run-time before main. Every suppression names the library that is not instrumented and why its
// report is not ours; none names Sluice's code.

// GCC defines a macro for each sanitizer, clang answers a question.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_CLANG_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  // gRPC and what it rests on are Debian's: their atomics and mutexes are invisible to ThreadSanitizer.
  // By the slash, Sluice's own libsource_Sgrpc_Slibgrpc.so is none of them.
  return "race:/libgrpc.so\n"
         "race:/libgrpc++.so\n"
         "race:/libgpr.so\n"
         // gRPC's threads use OpenSSL, which is Debian's, too.
         "race:/libcrypto.so\n"
         "race:/libssl.so\n"
         "called_from_lib:/libgrpc.so\n"
         "called_from_lib:/libgrpc++.so\n"
         "called_from_lib:/libgpr.so\n"
         // What gRPC's threads share among each other: reference-counted absl::Status and Cord, upb's arenas, and the
         // deadlock detector inside absl::Mutex.
         "called_from_lib:/libupb.so\n"
         "called_from_lib:/libabsl_cord.so\n"
         "called_from_lib:/libabsl_cord_internal.so\n"
         "called_from_lib:/libabsl_graphcycles_internal.so\n"
         "called_from_lib:/libabsl_status.so\n"
         "called_from_lib:/libabsl_strings.so\n"
         "called_from_lib:/libabsl_synchronization.so\n"
         "called_from_lib:/libabsl_time.so\n"
         "called_from_lib:/libabsl_time_zone.so\n"
         // gRPC's templates are compiled here, while what orders their calls is in its library. Only where they are the
         // innermost frame: what they call of ours is looked at.
         "race_top:grpc::internal::\n"
         "race_top:grpc::ByteBuffer::\n"
         "race:grpc::Slice::~Slice\n"
         // Its pool of threads ends after main does.
         "thread:libgpr.so\n";
}
#endif

#if defined(__SANITIZE_ADDRESS__) || SLUICE_CLANG_ASAN
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() {
  return "detect_leaks=1:detect_stack_use_after_return=1:strict_init_order=1:abort_on_error=0";
}

extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  // gRPC keeps process-wide singletons behind pointers that its libraries drop when they are unloaded.
  return "leak:libgrpc.so\n"
         "leak:libgpr.so\n";
}
#endif
