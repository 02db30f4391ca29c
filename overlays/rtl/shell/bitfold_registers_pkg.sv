// The register map. Rendered from overlays/registers.py: change it there.
package bitfold_registers_pkg;
  // No design uses all of it.
  /* verilator lint_off UNUSEDPARAM */
  localparam logic [31:0] MAGIC_VALUE = 32'hB17F01D0;
  localparam logic [31:0] ABI_VERSION_VALUE = 32'd1;

  localparam logic [31:0] KIND_DATAFLOW = 32'd1;
  localparam logic [31:0] KIND_OFFLOAD = 32'd2;

  localparam logic [7:0] ERROR_NONE = 8'd0;
  localparam logic [7:0] ERROR_READ_ERROR = 8'd1;
  localparam logic [7:0] ERROR_WRITE_ERROR = 8'd2;
  localparam logic [7:0] ERROR_WATCHDOG = 8'd3;
  localparam logic [7:0] ERROR_BAD_ADDRESS = 8'd4;
  localparam logic [7:0] ERROR_BAD_FRAMES = 8'd5;
  localparam logic [7:0] ERROR_BUSY = 8'd6;
  localparam logic [7:0] ERROR_BUS_STUCK = 8'd7;
  localparam logic [7:0] ERROR_BAD_FRAME_END = 8'd8;
  localparam logic [7:0] ERROR_BAD_OPCODE = 8'd16;
  localparam logic [7:0] ERROR_BAD_SIZE = 8'd17;
  localparam logic [7:0] ERROR_BAD_PROGRAM_ADDRESS = 8'd18;

  // Byte offsets, and the fields of a register as [_BIT] or [_LOW +: _WIDTH].
  localparam logic [11:0] MAGIC_OFFSET = 12'h000;
  localparam logic [11:0] ABI_VERSION_OFFSET = 12'h004;
  localparam logic [11:0] KIND_OFFSET = 12'h008;
  localparam logic [11:0] LAYERS_OFFSET = 12'h00C;
  localparam logic [11:0] BUILD_ID_0_OFFSET = 12'h010;
  localparam logic [11:0] BUILD_ID_1_OFFSET = 12'h014;
  localparam logic [11:0] BUILD_ID_2_OFFSET = 12'h018;
  localparam logic [11:0] BUILD_ID_3_OFFSET = 12'h01C;
  localparam logic [11:0] CONTROL_OFFSET = 12'h020;
  localparam int CONTROL_START_BIT = 0;
  localparam int CONTROL_SOFT_RESET_BIT = 1;
  localparam int CONTROL_IRQ_ENABLE_BIT = 2;
  localparam logic [11:0] STATUS_OFFSET = 12'h024;
  localparam int STATUS_IDLE_BIT = 0;
  localparam int STATUS_DONE_BIT = 1;
  localparam int STATUS_BUS_STUCK_BIT = 2;
  localparam int STATUS_ERROR_LOW = 8;
  localparam int STATUS_ERROR_WIDTH = 8;
  localparam logic [11:0] IRQ_PENDING_OFFSET = 12'h028;
  localparam int IRQ_PENDING_DONE_BIT = 0;
  localparam logic [11:0] SOURCE_OFFSET = 12'h02C;
  localparam logic [11:0] DESTINATION_OFFSET = 12'h030;
  localparam logic [11:0] FRAMES_OFFSET = 12'h034;
  localparam logic [11:0] PROGRAM_ADDRESS_OFFSET = 12'h038;
  localparam logic [11:0] PROGRAM_LENGTH_OFFSET = 12'h03C;
  localparam logic [11:0] WATCHDOG_OFFSET = 12'h040;
  localparam logic [11:0] CYCLES_LOW_OFFSET = 12'h044;
  localparam logic [11:0] CYCLES_HIGH_OFFSET = 12'h048;
  localparam logic [11:0] FRAMES_IN_OFFSET = 12'h04C;
  localparam logic [11:0] FRAMES_OUT_OFFSET = 12'h050;
  localparam logic [11:0] INPUT_BEATS_OFFSET = 12'h054;
  localparam logic [11:0] OUTPUT_BEATS_OFFSET = 12'h058;
  localparam logic [11:0] FIRST_IN_OFFSET = 12'h05C;
  localparam logic [11:0] FIRST_OUT_OFFSET = 12'h060;
  localparam logic [11:0] LAST_OUT_OFFSET = 12'h064;
  localparam logic [11:0] STALLED_PORTS_OFFSET = 12'h068;
  localparam int STALLED_PORTS_AR_NOT_READY_BIT = 0;
  localparam int STALLED_PORTS_R_NOT_VALID_BIT = 1;
  localparam int STALLED_PORTS_R_NOT_READY_BIT = 2;
  localparam int STALLED_PORTS_AW_NOT_READY_BIT = 3;
  localparam int STALLED_PORTS_W_NOT_VALID_BIT = 4;
  localparam int STALLED_PORTS_W_NOT_READY_BIT = 5;
  localparam int STALLED_PORTS_B_NOT_VALID_BIT = 6;
  localparam int STALLED_PORTS_CORE_IN_NOT_VALID_BIT = 7;
  localparam int STALLED_PORTS_CORE_IN_NOT_READY_BIT = 8;
  localparam int STALLED_PORTS_CORE_OUT_NOT_VALID_BIT = 9;
  localparam int STALLED_PORTS_CORE_OUT_NOT_READY_BIT = 10;
  localparam logic [11:0] DESTINATION_BEATS_OFFSET = 12'h06C;
  localparam logic [11:0] LAYER_BUSY_OFFSET = 12'h100;
  localparam logic [11:0] LAYER_STALLED_OFFSET = 12'h104;
  /* verilator lint_on UNUSEDPARAM */
endpackage
