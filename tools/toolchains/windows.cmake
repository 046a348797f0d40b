# Programs for Windows, compiled on Debian with g++-mingw-w64-x86-64-posix; wine runs them.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
set(CMAKE_CXX_FLAGS_INIT "-idirafter /usr/include")  # Eigen and the others are headers for any system
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -s")        # one file, which needs nothing beside it
set(CMAKE_CROSSCOMPILING_EMULATOR wine)
