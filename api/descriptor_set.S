// The file itself, put into the program by the assembler: no array for the compiler to read.
    .section .rodata
    .balign 16
    .globl sluice_xds_api_begin
    .hidden sluice_xds_api_begin
sluice_xds_api_begin:
    .incbin "external/xds_api/xds_api.binpb"
    .globl sluice_xds_api_end
    .hidden sluice_xds_api_end
sluice_xds_api_end:
    .section .note.GNU-stack,"",@progbits
