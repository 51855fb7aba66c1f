// Read by the sanitizers' run-time before main. Every suppression names the library that is not instrumented and why its
// report is not ours; none names Sluice's code.

#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  // gRPC and what it rests on are Debian's: their atomics and mutexes are invisible to ThreadSanitizer.
  return "race:libgrpc.so\n"
         "race:libgrpc++.so\n"
         "race:libgpr.so\n"
         "called_from_lib:libgrpc.so\n"
         "called_from_lib:libgrpc++.so\n"
         "called_from_lib:libgpr.so\n";
}
#endif

#if defined(__SANITIZE_ADDRESS__)
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  // gRPC keeps process-wide singletons behind pointers that its libraries drop when they are unloaded.
  return "leak:libgrpc.so\n"
         "leak:libgpr.so\n";
}
#endif
