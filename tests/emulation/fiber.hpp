// A fiber: a function with a stack of its own, which can stop in the middle and be continued later.
//
// On x86-64 a switch saves six registers and the stack pointer; elsewhere it is swapcontext().
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define EMULATION_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMULATION_ADDRESS_SANITIZER
#endif
#endif
#if defined(EMULATION_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulation {

#if defined(__x86_64__)
using Context = void*;  // a stack pointer; what belongs to it lies on its stack

__attribute__((naked, noinline)) inline void switch_context(Context* /*from*/, Context* /*to*/) {
  asm("pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
      "movq %rsp, (%rdi)\n\tmovq (%rsi), %rsp\n\t"
      "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\tret");
}

inline void prepare_context(Context* context, std::byte* stack, std::size_t size, void (*entry)()) {
  void** const top = reinterpret_cast<void**>(stack + size);  // aligned to a page
  for (int i = 3; i <= 8; ++i) top[-i] = nullptr;             // the registers
  top[-2] = reinterpret_cast<void*>(entry);                   // where `ret` goes to
  top[-1] = nullptr;
  *context = top - 8;
}
#else
using Context = ucontext_t;

inline void switch_context(Context* from, Context* to) { swapcontext(from, to); }

inline void prepare_context(Context* context, std::byte* stack, std::size_t size, void (*entry)()) {
  getcontext(context);
  context->uc_stack.ss_sp = stack;
  context->uc_stack.ss_size = size;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
}
#endif

class Fiber {
 public:
  explicit Fiber(void (*body)()) : body_(body) {
    void* const memory = mmap(nullptr, guard + stack_size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    mprotect(memory, guard, PROT_NONE);  // a stack that is too small ends the program, not another's values
    stack_ = static_cast<std::byte*>(memory) + guard;
    reset();
  }
  ~Fiber() { munmap(stack_ - guard, guard + stack_size); }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs the body, from its beginning or from where it stopped, until it stops or ends.
  void resume() {
    current_ = this;
    before_switch(&outer_fake_, stack_, stack_size);
    switch_context(&outer_, &inner_);
    after_switch(outer_fake_);
  }

  // From within a fiber: back to who resumed it.
  static void stop() {
    Fiber& self = *current_;
    self.before_switch(&self.inner_fake_, self.outer_stack_, self.outer_size_);
    switch_context(&self.inner_, &self.outer_);
    self.after_switch(self.inner_fake_);
  }

  // Forgets where the body stopped. The next resume() begins anew.
  void reset() {
#if defined(EMULATION_ADDRESS_SANITIZER)
    __asan_unpoison_memory_region(stack_, stack_size);
#endif
    inner_fake_ = nullptr;
    prepare_context(&inner_, stack_, stack_size, &run);
  }

 private:
  static constexpr std::size_t guard = 1 << 14;
#if defined(EMULATION_ADDRESS_SANITIZER)
  static constexpr std::size_t stack_size = 1 << 18;
#else
  static constexpr std::size_t stack_size = 1 << 16;
#endif

  static void run() {
    current_->after_switch(nullptr);
    for (;;) {  // a body that ended is run again by the next resume()
      current_->body_();
      stop();
    }
  }

  // AddressSanitizer is told which stack is in use.
#if defined(EMULATION_ADDRESS_SANITIZER)
  static void before_switch(void** fake, const void* stack, std::size_t size) {
    __sanitizer_start_switch_fiber(fake, stack, size);
  }
  static void after_switch(void* fake) {
    const void* from = nullptr;
    std::size_t size = 0;
    __sanitizer_finish_switch_fiber(fake, &from, &size);
    Fiber& self = *current_;
    if (from != self.stack_) self.outer_stack_ = from, self.outer_size_ = size;
  }
#else
  static void before_switch(void**, const void*, std::size_t) {}
  static void after_switch(void*) {}
#endif

  inline static thread_local Fiber* current_ = nullptr;

  void (*body_)();
  std::byte* stack_ = nullptr;
  Context inner_{}, outer_{};
  void *inner_fake_ = nullptr, *outer_fake_ = nullptr;
  const void* outer_stack_ = nullptr;
  std::size_t outer_size_ = 0;
};

}  // namespace emulation
