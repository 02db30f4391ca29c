// The offload engine's descriptor. Rendered from overlays/program.py: change it there.
package offload_program_pkg;
  // No module uses all of it.
  /* verilator lint_off UNUSEDPARAM */
  localparam int DESCRIPTOR_BYTES = 64;
  localparam int DESCRIPTOR_BEATS = 8;
  localparam int MAX_PLANES = 8;
  localparam int MAX_OUTPUT_PLANES = 32;
  localparam int CONSTANTS = 256;
  localparam logic [7:0] OPCODE_LAYER = 8'hB1;
  localparam logic [1:0] HEAD_THRESHOLD = 2'd0;
  localparam logic [1:0] HEAD_RAW = 2'd1;
  localparam logic [1:0] HEAD_ARGMAX = 2'd2;
  localparam logic [1:0] HEAD_SOFTMAX = 2'd3;
  localparam logic [1:0] ORIGIN_CHIP = 2'd0;
  localparam logic [1:0] ORIGIN_SOURCE = 2'd1;
  localparam logic [1:0] ORIGIN_DESTINATION = 2'd2;

  // A descriptor, the highest bits first.
  typedef struct packed {
    logic [137:0] reserved_374;
    logic [5:0] softmax_shift;
    logic [6:0] reserved_361;
    logic [8:0] softmax_multiplier;
    logic [15:0] output_beats;
    logic [15:0] input_beats;
    logic [31:0] output_offset;
    logic [31:0] input_offset;
    logic [2:0] reserved_253;
    logic [28:0] load_beats;
    logic [31:0] load_offset;
    logic [15:0] reserved_176;
    logic [15:0] output_top;
    logic [15:0] output_base;
    logic [15:0] input_base;
    logic [15:0] input_top;
    logic [15:0] weight_top;
    logic [9:0] reserved_86;
    logic [5:0] output_planes;
    logic [3:0] reserved_76;
    logic [3:0] input_planes;
    logic [3:0] reserved_68;
    logic [3:0] weight_planes;
    logic [15:0] rows;
    logic [15:0] columns;
    logic [14:0] reserved_17;
    logic [0:0] input_signed;
    logic [0:0] input_bipolar;
    logic [0:0] weight_signed;
    logic [0:0] weight_bipolar;
    logic [1:0] head;
    logic [0:0] to_memory;
    logic [1:0] origin;
    logic [7:0] opcode;
  } descriptor_t;
  localparam logic [511:0] RESERVED = 512'hffffffffffffffffffffffffffffffffffc0fe00000000000000000000000000e000000000000000ffff00000000000000000000ffc0f0f000000000fffe0000;
  /* verilator lint_on UNUSEDPARAM */
endpackage
