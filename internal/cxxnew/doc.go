// Package cxxnew makes new objects of libzmq, but for the smallest, contain random
// bytes instead of what the memory held before. A program that imports it, and is
// linked with libzmq dynamically or statically, has the C++ operator
// new(std::nothrow) replaced, with which libzmq creates its objects.
//
// libzmq's CURVE client (curve_client.cpp, to 4.3.5 and the master branch of 2026
// at least) processes READY in every state of the handshake. If READY comes in
// place of WELCOME, the client opens it with a key that was never computed: with
// what the memory of the new object holds. In a young process that is zeros. So a
// peer that has no secret key at all could seal READY with a key of zeros. The
// client took it for the server, and sent it messages that the same key opens.
// Random bytes are a key that no peer has.
//
// The linker puts the operator into the program's dynamic symbol table because
// libzmq refers to it, and there the loader finds it before that of the C++
// library. It is weak, so that an operator of the program itself goes before it.
//
// Where the program has the C++ library linked statically, this operator stands in
// the place of that library's, and takes memory from malloc as that does.
//
// What it does not reach: other systems than Linux, a libzmq.so with a C++ library
// of its own inside, and programs that define this operator themselves, or that load
// this library as a plug-in (-buildmode=c-shared) after libzmq.
package cxxnew
